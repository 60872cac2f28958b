"""Recipes: one action a stage, a head, and how it is trained; parsed from and printed as one line.

recipe  = [ "weights:" ("pretrained"|"random"|"matched") "|" ] action { "|" action } "|" "head:" head
          [ "|" "train:" option { option } ]
action  = range ":" ("freeze"|"tune"|"reinit"|"drop")        range = "all" | stage [ " .. " stage ]
head    = "linear" | "all-layer" | "mlp(" width ")" | "conv(" width ")" [ "x" depth ]
option  = name "=" value
pixels  = "pixels:" ("forest"|"logistic")
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from frostline.errors import RecipeError, nearest

E = TypeVar("E", bound=StrEnum)


class Action(StrEnum):
    """What a recipe does with a stage."""

    FREEZE = "freeze"  # transferred, not trained
    TUNE = "tune"  # transferred, trained
    REINIT = "reinit"  # same architecture, random weights, trained
    DROP = "drop"  # cut away


class Weights(StrEnum):
    """Where the backbone's tensors come from before any action."""

    PRETRAINED = "pretrained"
    RANDOM = "random"
    MATCHED = "matched"  # random with the pre-trained mean and variance of each tensor


class HeadKind(StrEnum):
    LINEAR = "linear"
    ALL_LAYER = "all-layer"
    MLP = "mlp"
    CONV = "conv"


class Family(StrEnum):
    """The plain names, cheapest first: this is also the order of simplicity."""

    PIXELS = "pixels"
    RANDOM_FEATURES = "random-features"
    SOFTMAX_ONLY = "softmax-only"
    ALL_LAYER = "all-layer"
    TRUNCATED = "truncated"
    NEW_LAYERS = "new-layers"
    DEEPER_TUNED = "deeper-tuned"
    DEEPER_REPLACED = "deeper-replaced"
    SINGLE_STAGE = "single-stage"
    NEW_LAYERS_UNFREEZE = "new-layers+unfreeze"
    WHOLE = "whole"
    RANDOM_MATCHED = "random-matched"
    SCRATCH = "scratch"

    @property
    def control(self) -> bool:
        """Uses no pre-trained features."""
        return self in (Family.PIXELS, Family.RANDOM_FEATURES, Family.RANDOM_MATCHED, Family.SCRATCH)


# What `train:` may say, and what each value must look like.
TRAIN_OPTIONS: dict[str, str] = {
    "opt": r"adamw|sgd",
    "lr": r"\d+(\.\d*)?(e-?\d+)?",
    "epochs": r"[1-9]\d*",
    "wd": r"\d+(\.\d*)?(e-?\d+)?",
    "norm": r"frozen|batch",
    "start": r"fitted|random",
    "rates": r"flat|discriminative",
    "views": r"[1-9]\d*",
    "batch": r"[1-9]\d*",
    "l2": r"\d+(\.\d*)?(e-?\d+)?",
}

_HEAD = re.compile(r"(?P<kind>linear|all-layer|mlp|conv)(?:\((?P<width>[1-9]\d*)\))?(?:x(?P<depth>[1-9]\d*))?")


@dataclass(frozen=True)
class Head:
    """What is new after the last kept stage.

    Attributes:
        width: hidden units of `mlp`, channels of `conv`; None for `linear` and `all-layer`.
        depth: how many hidden layers or convolutions.
    """

    kind: HeadKind
    width: int | None = None
    depth: int = 1

    def __str__(self) -> str:
        if self.width is None:
            return self.kind.value
        return f"{self.kind.value}({self.width})" + (f"x{self.depth}" if self.depth > 1 else "")

    @classmethod
    def parse(cls, text: str) -> Head:
        """The head that `text` names.

        Raises:
            RecipeError: not one of the four heads, or a width where there is none.
        """
        match = _HEAD.fullmatch(text.strip())
        if match is None:
            raise RecipeError(
                f"head {text.strip()!r} is not one of linear, all-layer, mlp(WIDTH), conv(WIDTH), conv(WIDTH)xDEPTH."
                + nearest(text.strip(), ["linear", "all-layer", "mlp(256)", "conv(256)", "conv(256)x2"])
            )
        kind, width = HeadKind(match["kind"]), match["width"]
        sized = kind in (HeadKind.MLP, HeadKind.CONV)
        if sized and width is None:
            raise RecipeError(f"head {text.strip()!r} needs a width, for example {kind.value}(256).")
        if not sized and (width is not None or match["depth"] is not None):
            raise RecipeError(f"head {text.strip()!r}: {kind.value} takes no width and no depth; write head: {kind.value}.")
        return cls(kind, int(width) if width else None, int(match["depth"] or 1))


@dataclass(frozen=True)
class Range:
    """Stages `first` to `last`, both included, by name; `all` stands for every stage."""

    first: str
    last: str
    action: Action

    def __str__(self) -> str:
        names = self.first if self.first == self.last else f"{self.first} .. {self.last}"
        return f"{names}: {self.action.value}"


@dataclass(frozen=True)
class Recipe:
    """One action per stage, plus a head, plus how it is trained.

    Attributes:
        ranges: as written, in order; empty for `pixels`.
        head: None only for `pixels`.
        pixels: `forest` or `logistic` for the pixels control, else None.
        train: what `train:` says, as (name, value) pairs in the order written; the rest is the search's to choose.
    """

    ranges: tuple[Range, ...]
    head: Head | None
    weights: Weights = Weights.PRETRAINED
    train: tuple[tuple[str, str], ...] = ()
    pixels: str | None = None

    def __str__(self) -> str:
        if self.pixels is not None:
            return f"pixels: {self.pixels}"
        parts = [] if self.weights is Weights.PRETRAINED else [f"weights: {self.weights.value}"]
        parts += [str(item) for item in self.ranges] + [f"head: {self.head}"]
        if self.train:
            parts.append("train: " + " ".join(f"{name}={value}" for name, value in self.train))
        return " | ".join(parts)

    @classmethod
    def parse(cls, line: str) -> Recipe:
        """The recipe that `line` says; `parse(str(recipe)) == recipe`.

        Raises:
            RecipeError: with the part that does not fit and what was expected there.
        """
        return _parse(line)

    def option(self, name: str) -> str | None:
        """The value that `train:` gives to `name`, or None."""
        return dict(self.train).get(name)

    @property
    def named(self) -> frozenset[str]:
        """The stages (or cuts) that the line names; empty where it says `all`."""
        return frozenset(name for item in self.ranges for name in (item.first, item.last)) - {"all"}

    def actions(self, stages: Sequence[str]) -> tuple[Action, ...]:
        """One action for each of `stages`, in their order.

        Raises:
            RecipeError: a stage is unknown, named twice, or has no action; or `drop` is not at the end.
        """
        return _resolve(self, tuple(stages))

    def kept(self, stages: Sequence[str]) -> tuple[str, ...]:
        """The names of the stages that are not dropped."""
        actions = self.actions(stages)
        return tuple(name for name, action in zip(stages, actions, strict=True) if action is not Action.DROP)

    def transferred(self, stages: Sequence[str]) -> tuple[str, ...]:
        """The names of the stages that start from pre-trained weights, frozen or tuned."""
        if self.weights is not Weights.PRETRAINED:
            return ()
        actions = zip(stages, self.actions(stages), strict=False)
        return tuple(name for name, action in actions if action in (Action.FREEZE, Action.TUNE))

    def frozen_prefix(self, stages: Sequence[str]) -> int:
        """How many leading stages are frozen: their output is the same in every epoch and can be stored."""
        count = 0
        for action in self.actions(stages):
            if action is not Action.FREEZE:
                break
            count += 1
        return count

    def trunk_frozen(self, stages: Sequence[str]) -> bool:
        """No kept stage is trained: the head is all there is to fit."""
        return all(action in (Action.FREEZE, Action.DROP) for action in self.actions(stages))


def family(recipe: Recipe, stages: Sequence[str]) -> Family:
    """The plain name of `recipe` on a backbone with these stages.

    Raises:
        RecipeError: the recipe does not fit the stages.
    """
    if recipe.pixels is not None:
        return Family.PIXELS
    actions = recipe.actions(stages)
    frozen = recipe.trunk_frozen(stages)
    if recipe.weights is Weights.MATCHED and not frozen:
        return Family.RANDOM_MATCHED
    if recipe.weights is not Weights.PRETRAINED:
        return Family.RANDOM_FEATURES if frozen else Family.SCRATCH
    if all(action in (Action.REINIT, Action.DROP) for action in actions):
        return Family.SCRATCH
    assert recipe.head is not None
    if frozen:
        return _frozen_family(recipe.head, dropped=Action.DROP in actions)
    return _tuned_family(recipe.head, [action for action in actions if action is not Action.DROP])


def _frozen_family(head: Head, dropped: bool) -> Family:
    if dropped:
        return Family.TRUNCATED
    if head.kind is HeadKind.LINEAR:
        return Family.SOFTMAX_ONLY
    return Family.ALL_LAYER if head.kind is HeadKind.ALL_LAYER else Family.NEW_LAYERS


def _tuned_family(head: Head, kept: list[Action]) -> Family:
    if all(action is Action.TUNE for action in kept):
        return Family.WHOLE
    if Action.REINIT in kept:
        return Family.DEEPER_REPLACED
    if head.kind in (HeadKind.MLP, HeadKind.CONV):
        return Family.NEW_LAYERS_UNFREEZE
    alone = kept.count(Action.TUNE) == 1 and kept[-1] is not Action.TUNE
    return Family.SINGLE_STAGE if alone else Family.DEEPER_TUNED


# --- parsing ---------------------------------------------------------------------------------------------------------


def _parse(line: str) -> Recipe:
    parts = [part.strip() for part in line.strip().split("|")]
    if not line.strip() or any(not part for part in parts):
        raise RecipeError(
            f"recipe {line!r} has an empty part; expected for example 'stem .. layer3: freeze | layer4: tune | head: linear'."
        )
    fields = [_field(line, part) for part in parts]
    if fields[0][0] == "pixels":
        return _parse_pixels(line, fields)
    weights = Weights.PRETRAINED
    if fields[0][0] == "weights":
        weights = _choice(line, "weights", fields[0][1], Weights)
        fields = fields[1:]
    train: tuple[tuple[str, str], ...] = ()
    if fields and fields[-1][0] == "train":
        train = _parse_train(line, fields[-1][1])
        fields = fields[:-1]
    if not fields or fields[-1][0] != "head":
        raise RecipeError(f"recipe {line!r} does not end with a head; add for example '| head: linear'.")
    ranges = tuple(_parse_range(line, name, action) for name, action in fields[:-1])
    if not ranges:
        raise RecipeError(f"recipe {line!r} says nothing about the stages; add for example 'all: freeze |' in front.")
    return Recipe(ranges, Head.parse(fields[-1][1]), weights, train)


def _field(line: str, part: str) -> tuple[str, str]:
    name, colon, value = part.partition(":")
    if not colon or not name.strip() or not value.strip():
        raise RecipeError(f"recipe {line!r}: {part!r} is not 'name: value', for example 'layer4: tune' or 'head: linear'.")
    return name.strip(), value.strip()


def _choice(line: str, what: str, given: str, choices: type[E]) -> E:
    try:
        return choices(given)
    except ValueError:
        names = [choice.value for choice in choices]
        raise RecipeError(f"recipe {line!r}: {what} {given!r} is not one of {', '.join(names)}.{nearest(given, names)}") from None


def _parse_pixels(line: str, fields: list[tuple[str, str]]) -> Recipe:
    if len(fields) != 1 or fields[0][1] not in ("forest", "logistic"):
        raise RecipeError(f"recipe {line!r}: expected exactly 'pixels: forest' or 'pixels: logistic'.")
    return Recipe((), None, pixels=fields[0][1])


def _parse_range(line: str, name: str, action: str) -> Range:
    if name in ("head", "train", "weights", "pixels"):
        raise RecipeError(f"recipe {line!r}: '{name}:' is in the wrong place; the order is weights, stages, head, train.")
    first, dots, last = (text.strip() for text in name.partition(" .. "))
    if not first or (dots and not last) or " " in first or " " in last:
        raise RecipeError(f"recipe {line!r}: {name!r} is not a stage nor 'stage .. stage' (with a space on each side of ..).")
    return Range(first, last or first, _choice(line, f"{name}:", action, Action))


def _parse_train(line: str, text: str) -> tuple[tuple[str, str], ...]:
    options: list[tuple[str, str]] = []
    for word in text.split():
        name, _, value = word.partition("=")
        if name not in TRAIN_OPTIONS:
            raise RecipeError(
                f"recipe {line!r}: train option {name!r} is not one of {', '.join(TRAIN_OPTIONS)}.{nearest(name, TRAIN_OPTIONS)}"
            )
        if re.fullmatch(TRAIN_OPTIONS[name], value) is None:
            raise RecipeError(f"recipe {line!r}: train option {word!r} does not fit {name}={TRAIN_OPTIONS[name]}.")
        if name in dict(options):
            raise RecipeError(f"recipe {line!r}: train option {name!r} is given twice.")
        options.append((name, value))
    return tuple(options)


# --- resolving -------------------------------------------------------------------------------------------------------


def _resolve(recipe: Recipe, stages: tuple[str, ...]) -> tuple[Action, ...]:
    if recipe.pixels is not None:
        return ()
    found: list[Action | None] = [None] * len(stages)
    for item in recipe.ranges:
        first, last = _bounds(recipe, item, stages)
        for index in range(first, last + 1):
            if found[index] is not None:
                raise RecipeError(f"recipe '{recipe}': stage {stages[index]!r} has two actions; name each stage once.")
            found[index] = item.action
    missing = [name for name, action in zip(stages, found, strict=True) if action is None]
    if missing:
        raise RecipeError(
            f"recipe '{recipe}' says nothing about {', '.join(missing)}; every stage needs one action ({', '.join(stages)})."
        )
    actions = tuple(action for action in found if action is not None)
    _check_actions(recipe, actions)
    return actions


def _bounds(recipe: Recipe, item: Range, stages: tuple[str, ...]) -> tuple[int, int]:
    if item.first == "all" and item.last == "all":
        return 0, len(stages) - 1
    for name in (item.first, item.last):
        if name not in stages:
            raise RecipeError(
                f"recipe '{recipe}': stage {name!r} is not one of {', '.join(stages)}.{nearest(name, stages)}"
                " `frostline stages NAME --all` lists every cut that may be named."
            )
    first, last = stages.index(item.first), stages.index(item.last)
    if first > last:
        raise RecipeError(f"recipe '{recipe}': {item.first!r} comes after {item.last!r}; write '{item.last} .. {item.first}'.")
    return first, last


def _check_actions(recipe: Recipe, actions: tuple[Action, ...]) -> None:
    kept = [action for action in actions if action is not Action.DROP]
    if not kept:
        raise RecipeError(f"recipe '{recipe}' drops every stage; keep at least the first, or use 'pixels: logistic'.")
    if Action.DROP in actions[: len(kept)]:
        raise RecipeError(f"recipe '{recipe}': drop is possible only at the end, after the last kept stage.")
