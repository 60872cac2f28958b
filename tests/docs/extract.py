"""The code blocks of a Markdown document."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^```(?P<language>[\w-]*)\s*$")
_REASON = re.compile(r"^<!-- not run: (?P<reason>.+?) -->$")
_INDENTED_COMMAND = re.compile(r"^ {4}(\$ |frostline |make |pip |python |import |from )")


@dataclass(frozen=True)
class Block:
    """What stands between two fences.

    Attributes:
        line: number of the first fence, from 1.
        reason: why it is not executed, from `<!-- not run: reason -->` on the line before it.
    """

    language: str
    body: str
    line: int
    reason: str | None

    def script(self) -> str:
        """The commands of a shell block; in a `console` block these are the lines after `$ `."""
        if self.language != "console":
            return self.body
        return "\n".join(line[2:] for line in self.body.splitlines() if line.startswith("$ "))


def blocks(text: str) -> list[Block]:
    """All fenced blocks, in order."""
    found: list[Block] = []
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        end = next((i for i in range(number + 1, len(lines)) if lines[i].strip() == "```"), len(lines))
        before = _REASON.match(lines[number - 1].strip()) if number else None
        body = "\n".join(lines[number + 1 : end])
        found.append(Block(fence["language"], body, number + 1, before["reason"] if before else None))
        number = end + 1
    return found


def commands_outside_fences(text: str) -> list[str]:
    """Indented lines that look like commands, which `blocks` would not see."""
    inside, found = False, []
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside and _INDENTED_COMMAND.match(line):
            found.append(line)
    return found
