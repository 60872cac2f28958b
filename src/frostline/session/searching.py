"""A search from its request to its verdict, step by step."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from frostline.compute.machine import settings_restored
from frostline.compute.ranks import dismiss
from frostline.errors import AllTrialsFailed
from frostline.planning.forecast import CLOSING_S
from frostline.session.clock import Clock, StopRequested
from frostline.session.close import Finished, Keep, close, verdict_now, write_down
from frostline.session.finals import run_finals
from frostline.session.first_rung import run_first
from frostline.session.frozen import run_frozen
from frostline.session.ledger import Listener
from frostline.session.outlook import foresee, tell_remaining
from frostline.session.prepare import prepare
from frostline.session.ranking import tell_ranking
from frostline.session.request import Request
from frostline.session.screening import screen
from frostline.session.work import Work
from frostline.terms.progress import Remaining, Warned
from frostline.terms.quantities import duration, plural

LEAST_S = CLOSING_S + 10.0  # reading, loading and measuring, then closing


class Interrupted(KeyboardInterrupt):
    """The user stopped the search; `finished` holds an interim verdict, or None when there is none yet."""

    def __init__(self, finished: Finished | None) -> None:
        super().__init__()
        self.finished = finished


def search(request: Request, listener: Listener, keep: Keep, version: str) -> Finished:
    """Carry out `request`: a part first of very many images, then frozen recipes on all folds, screening, finalists,
    verdict, refit, test.

    Args:
        keep: called with the fitted model before the test set is opened: whatever happens then, it is not lost.

    Raises:
        InputError: something given cannot be used. AllTrialsFailed: no trial finished. Interrupted: the user stopped it.
        AlreadyFinished: the run folder holds the final verdict of this search.
    """
    clock = Clock(request.time_s)
    if request.time_s is not None:
        _tell_limit(request.time_s, listener)
    with stoppable(clock, listener), settings_restored():
        try:
            work = prepare(request, listener, clock, version)
        except StopRequested:
            raise Interrupted(None) from None
        try:
            foreseen = foresee(work)
            work.backend.start()
            tell_remaining(work, foreseen.total)
            if run_first(work):
                _interim(work, "verdict on a part")
            run_frozen(work)
            _tell_refusals(work)
            tell_remaining(work, foreseen.after("heads"))
            _interim(work, "first verdict")
            screened = screen(work)
            _tell_refusals(work)
            tell_remaining(work, foreseen.after("screening"))
            run_finals(work, screened)
            tell_remaining(work, foreseen.after("finalists"))
            return close(work, keep)
        except StopRequested:
            if not work.decided:
                work.notes.append("Stopped before the last checkpoint: what the claims say now was not due to be looked at yet.")
            raise Interrupted(_interim(work, "verdict so far")) from None
        finally:
            work.backend.close()
            dismiss()
            work.folder.close()


def _tell_limit(time_s: float, listener: Listener) -> None:
    """What is left at the start; a limit that no search can keep is said before anything is read."""
    listener.update(Remaining(time_s))
    if time_s < LEAST_S:
        listener.update(
            Warned(
                f"--time {duration(time_s)} is less than any verdict needs, about {duration(LEAST_S)} even for few small images;"
                " how long it takes on these is said as soon as they have been read."
            )
        )


def _interim(work: Work, name: str) -> Finished | None:
    """Write down where things stand; the test set stays sealed."""
    work.keep_time()
    with work.phase(name):
        try:
            verdict = verdict_now(work, interim=True)
        except AllTrialsFailed:
            return None
        tell_ranking(work)
        write_down(work, verdict)
    return Finished(work, verdict, None)


def _tell_refusals(work: Work) -> None:
    """Say, once, that stored activations found no room, and why the first of them did not; and that a shared store was lost."""
    shared = work.activations.shared
    if shared is not None and shared.lost and shared.lost not in work.notes:
        work.notes.append(shared.lost)
    count = len(work.activations.refusals)
    if count and not work.cache_told:
        why = work.activations.refusals[0].rstrip(".")
        note = (
            f"The activation cache had no room for {plural(count, 'array')} ({why}): they are computed again where they are"
            " needed, or held in memory, and the search takes longer."
        )
        work.cache_told = True
        work.notes.append(note)
        work.warn(note)


@contextmanager
def stoppable(clock: Clock, listener: Listener) -> Iterator[None]:
    """Ctrl-C once stops cleanly, twice at once. Outside the main thread signals are left alone."""

    def request_stop(number: int, frame: FrameType | None) -> None:
        if clock.stopping:
            raise KeyboardInterrupt
        clock.stopping = True
        listener.update(Warned("Stopping as soon as this step allows; nothing that is finished is lost. Again: at once."))

    try:
        before = signal.signal(signal.SIGINT, request_stop)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
