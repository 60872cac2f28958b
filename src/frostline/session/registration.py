"""The plan is written down, with its hash, before the first trial; a run that is continued must still follow it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from frostline.errors import RunFolderError
from frostline.planning.first_rung import first_share
from frostline.session.work import Work
from frostline.stats.compare import SURE
from frostline.store.files import sha256
from frostline.store.values import read_value, write_value
from frostline.terms.registration import CHECKPOINTS, FIRST_LOOK, Registration


def register(work: Work) -> None:
    """Write `plan.json`, and its hash and the time into `config.yaml`; where that was done before, note what has changed.

    `work.registered` is left empty where the plan was not there first, or is not kept to: nothing may then be said of it.
    """
    wanted, path = _registration(work), work.folder.plan_path
    known = work.folder.section("registered")
    if known is None and work.ledger.found:
        work.notes.append("There were results before a plan was registered, so none is.")
        return
    if known is None:
        write_value(path, wanted)
        digest, at = sha256(path), datetime.now(UTC).isoformat(timespec="seconds")
        work.folder.write_section("registered", {"sha256": digest, "at": at})
        work.registered = (digest, at)
        work.say(f"The plan was written to {path.name} before the first result (SHA-256 {digest[:12]}...)")
        return
    changes = _changes(work, wanted, str(known["sha256"]))
    work.notes += changes
    work.registered = () if changes else (str(known["sha256"]), str(known["at"]))


def _registration(work: Work) -> Registration:
    return Registration(
        frostline=work.folder.version,
        fingerprint=work.dataset.fingerprint,
        images=len(work.dataset.samples),
        sealed=len(work.plan.sealed),
        backbones=tuple(f"{lane.name} {lane.backbone.digest}" for lane in work.lanes),
        recipes=tuple(f"{line.recipe} ({line.backbone})" if line.backbone else str(line.recipe) for line in work.lines()),
        metric=work.settings.metric,
        delta=work.settings.delta,
        sure=SURE,
        seed=work.settings.seed,
        splits=sha256(work.folder.splits_path),
        specificity=work.settings.specificity,
        subgroups=work.settings.subgroups,
        checkpoints=(*((FIRST_LOOK,) if _looks_first(work) else ()), *CHECKPOINTS),
    )


def _looks_first(work: Work) -> bool:
    heads = any(not line.deep for line in work.lines())
    return heads and first_share(work.settings.first_rung, len(work.pool)) > 0


def _changes(work: Work, wanted: Registration, digest: str) -> list[str]:
    """A sentence where this start does not follow the plan that was registered."""
    path = work.folder.plan_path
    try:
        found = read_value(path, Registration)
        intact = sha256(path) == digest
    except RunFolderError:
        intact = False
    if not intact:
        return [f"{path.name} is not the file that was registered (its SHA-256 was {digest}): do not rely on it."]
    names = [field.name for field in dataclasses.fields(Registration)]
    changed = [name for name in names if getattr(found, name) != getattr(wanted, name)]
    if not changed:
        return []
    return [f"This start of the run does not follow the plan registered at first; changed: {', '.join(changed)}."]
