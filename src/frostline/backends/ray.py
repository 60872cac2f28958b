"""Tasks on a Ray cluster, or on a small one that is started here and ended again. The only module that imports Ray."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import pickle
import shutil
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from frostline.backends.backend import Lost, Node, Watch
from frostline.backends.process import TRIES, Given
from frostline.backends.pulse import Pulse
from frostline.backends.worker import nothing, raised
from frostline.errors import ClusterGone, OptionError

# Read when Ray is imported: it tells nobody that it is used, and prints nothing into what a search prints.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}
for _name, _value in QUIET.items():
    os.environ.setdefault(_name, _value)

import ray  # noqa: E402
from ray import exceptions  # noqa: E402
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")
Ref = Any  # an object reference of Ray

LOCAL = "local"
POLL_S = 0.1
END_S = 10.0  # that ending what is under way may take
REACH_S = 5.0  # that the machine of an address may take to answer
STORE_BYTES = 200 * 2**20  # of a cluster that is started here: large arrays travel as files, not through Ray
HEADLESS_S = 3600  # that this process does its own work without the head; Ray would end it after a minute
DIED = (
    exceptions.WorkerCrashedError,
    exceptions.OutOfMemoryError,
    exceptions.NodeDiedError,
    exceptions.ObjectLostError,
    exceptions.LocalRayletDiedError,
    exceptions.RuntimeEnvSetupError,  # also where a machine goes just then
)


@dataclass(frozen=True)
class Share:
    """What one task has of a machine, as Ray counts it: nothing is measured or enforced but the GPUs that it sees.

    Attributes:
        gpus: a fraction where several tasks share one.
    """

    cpus: int = 1
    gpus: float = 0.0


@dataclass(eq=False)
class Ray:
    """A task for each item, on the machines that Ray has; the programs and the paths there are those that are here.

    A worker that dies, by itself or with its machine, takes nothing but its own item with it: that is given to another, and
    after three deaths it is lost. An item's `near`, where it has such, names what else it has use of: Ray is asked for the
    machine on which the last item with that name ran, and takes another one where that is busy or gone.

    Attributes:
        address: `local` to start Ray here, `auto` for the cluster that this machine belongs to, `HOST:PORT` of its head, or
            `ray://HOST:PORT` from outside. A program that is connected already stays so, whatever is said here.
        workers: tasks at a time.
        environment: variables that each worker has besides those of its machine.
        prepare: a module-level function that a worker calls before its first item.
    """

    address: str
    workers: int
    share: Share = Share()
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] | None = None
    _connection: contextlib.ExitStack | None = None
    _pulse: Pulse | None = None
    _warm: list[Ref] = field(default_factory=list)
    _last: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Connect, and have the workers started without waiting for them."""
        if self._connection is None:
            self._connection = _connected(self.address, self.workers, self.share)
            self._pulse = _pulse(self.address)
            task = self._task(None)
            self._warm += [task.remote(self._home, None, b"") for _ in range(self.workers)]

    def run(
        self, call: Callable[[I, Watch], R], ask: Callable[[], I | None], watch: Watch
    ) -> Generator[tuple[I, R | Lost], None, None]:
        """See `Backend.run`; the call's own `watch` does nothing: what ends a run early ends its tasks.

        Raises:
            ClusterGone: also while nothing but waiting is left to do.
        """
        self.start()
        with self._talking():
            sent = [ray.put(pickle.dumps(call))]  # in a list it is a reference: each worker fetches it once
        under_way: dict[Ref, Given[I]] = {}
        again: deque[Given[I]] = deque()
        try:
            while True:
                watch()
                self._hand_out(sent, ask, under_way, again)
                if not under_way:
                    return
                for ref in self._ready(list(under_way)):
                    given = under_way.pop(ref)
                    deaths, answer = given.deaths, self._answer(ref, given)
                    if deaths < given.deaths < TRIES:
                        again.append(given)
                    else:
                        yield given.item, answer
        finally:
            if self._pulse is None or not self._pulse.missing():
                _end(list(under_way))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = self._pulse = None
            self._warm.clear()
            self._last.clear()

    @property
    def _home(self) -> tuple[str, Callable[[], None] | None]:
        return str(Path.cwd()), self.prepare

    def _hand_out(
        self, sent: list[Ref], ask: Callable[[], I | None], under_way: dict[Ref, Given[I]], again: deque[Given[I]]
    ) -> None:
        """An item for everybody who has none; those whose worker died come first."""
        while len(under_way) < self.workers:
            given = again.popleft() if again else _asked(ask)
            if given is None:
                return
            with self._talking():
                under_way[self._task(given.item).remote(self._home, sent, pickle.dumps(given.item))] = given

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        """Around every word to Ray, which ends this process where the cluster's part in this machine is gone.

        Raises:
            ClusterGone: it is.
        """
        missing = self._pulse.missing() if self._pulse is not None else ""
        if missing:
            raise _gone(self.address, missing)
        try:
            yield
        except ConnectionError as error:  # of Ray's client, which looks by itself
            raise _gone(self.address, _last_line(error)) from error

    def _ready(self, refs: list[Ref]) -> list[Ref]:
        """Those that have an answer, after a short while."""
        with self._talking():
            if not ray.wait(refs, num_returns=1, timeout=POLL_S)[0]:
                return []
        with self._talking():
            found: list[Ref] = ray.wait(refs, num_returns=len(refs), timeout=0)[0]
            return found

    def _task(self, item: object) -> Any:
        """The remote function with what it is to be given, on a machine of our liking."""
        node = self._last.get(getattr(item, "near", None) or "")
        place = NodeAffinitySchedulingStrategy(node, soft=True, _spill_on_unavailable=True) if node else "DEFAULT"
        return _REMOTE.options(
            num_cpus=self.share.cpus,
            num_gpus=self.share.gpus,
            scheduling_strategy=place,
            runtime_env={"env_vars": {**self.environment, "PYTHONPATH": _own_paths()}},
        )

    def _answer(self, ref: Ref, given: Given[Any]) -> Any:
        """The result, or that the worker died."""
        try:
            with self._talking():
                node, message = ray.get(ref)
        except DIED as error:
            given.deaths += 1
            return Lost(_reason(error))
        except exceptions.RayTaskError as error:  # outside of the call: that is caught over there
            raise OptionError(f"a worker of the Ray cluster cannot run frostline: {_last_line(error)}.") from error
        near = getattr(given.item, "near", None)
        if near:
            self._last[near] = node
        finished, answer = pickle.loads(message)
        if not finished:
            raise answer
        return answer


def reach(address: str) -> None:
    """Nothing, where somebody answers at the address; a program that is connected already needs no answer.

    Raises:
        OptionError: nobody does. Of `auto` Ray has to be asked, which is to join its cluster and leave it.
    """
    if ray.is_initialized():
        return
    if address == "auto":
        look(address)
    else:
        _check_there(address)


def look(address: str) -> tuple[Node, ...]:
    """The machines of the cluster at `address`; afterwards this process is as it was.

    Raises:
        OptionError: there is no cluster there.
    """
    with _connected(address, 1, Share()):
        found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return tuple(Node(int(one.get("CPU", 0)), int(one.get("GPU", 0))) for one in found)


# --- in the workers ---------------------------------------------------------------------------------------------------

_calls: dict[str, Any] = {}  # the call of the latest run, by its reference
_made_ready: list[bool] = []


def _work(home: tuple[str, Callable[[], None] | None], sent: list[Ref] | None, item: bytes) -> tuple[str, bytes]:
    """Where this is, and the pickled answer: (True, result) or (False, exception)."""
    node = ray.get_runtime_context().get_node_id()
    try:
        _make_ready(*home)
        if sent is None:
            return node, b""
        return node, pickle.dumps((True, _call(sent[0])(pickle.loads(item), nothing)))
    except Exception as error:
        return node, raised(error)


def _make_ready(folder: str, prepare: Callable[[], None] | None) -> None:
    """Relative paths mean there what they mean here."""
    if not _made_ready:
        with contextlib.suppress(OSError):
            os.chdir(folder)
        if prepare is not None:
            prepare()
        _made_ready.append(True)


def _call(ref: Ref) -> Callable[..., Any]:
    name = ref.hex()
    if name not in _calls:
        call = pickle.loads(ray.get(ref))
        _calls.clear()
        _calls[name] = call
    return _calls[name]  # type: ignore[no-any-return]


# Ray would end a worker that has seen a GPU after one task, and carry out again by itself what died.
_REMOTE = ray.remote(max_calls=0, max_retries=0)(_work)


# --- the cluster ------------------------------------------------------------------------------------------------------


def _connected(address: str, workers: int, share: Share) -> contextlib.ExitStack:
    """Connected until it is closed; what was connected before stays so.

    Raises:
        OptionError: there is no cluster at `address`.
    """
    if ray.is_initialized():
        return contextlib.ExitStack()
    with _signals_kept(), contextlib.ExitStack() as undo:
        if address == LOCAL:
            _begin(undo, workers, share)
        else:
            undo.callback(ray.shutdown)
            _join(address)
        return undo.pop_all()


def _begin(undo: contextlib.ExitStack, workers: int, share: Share) -> None:
    """A small cluster in this machine; its files are removed after it has ended."""
    folder = Path(tempfile.mkdtemp(prefix="frostline-ray-", dir="/tmp"))  # paths of sockets may not be long
    undo.callback(shutil.rmtree, folder, ignore_errors=True)
    undo.callback(ray.shutdown)
    ray.init(
        address=LOCAL,
        num_cpus=workers * share.cpus,
        num_gpus=math.ceil(workers * share.gpus),
        object_store_memory=STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=str(folder),
        _system_config={"worker_niceness": 0},  # its workers would give way to everything else that runs here
    )


def _join(address: str) -> None:
    _check_there(address)
    try:
        with _set("RAY_gcs_rpc_server_reconnect_timeout_s", str(HEADLESS_S)):
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises whatever comes up
        raise _not_there(address, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}") from error


def _check_there(address: str) -> None:
    """Ray itself waits for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdigit():
        raise _not_there(address, "expected local, auto, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((host, int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        raise _not_there(address, str(error)) from error


def _pulse(address: str) -> Pulse | None:
    """Of what this process is connected to; None where a program has connected itself from outside, we are not told where."""
    if ray.util.client.ray.is_connected():
        return Pulse(None, _place(address)) if address.startswith("ray://") else None
    context = ray.get_runtime_context()
    mine = next(node for node in ray.nodes() if node["NodeID"] == context.get_node_id())
    return Pulse((mine["NodeManagerAddress"], mine["NodeManagerPort"]), _place(context.gcs_address))


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    return host.strip("[]"), int(port)


def _gone(address: str, why: str) -> ClusterGone:
    return ClusterGone(
        f"the Ray cluster at address {address!r} is gone ({why.rstrip('.')}). Nothing that was finished is lost: the same command"
        " continues, on a cluster that is there, or with --backend process in this machine."
    )


def _not_there(address: str, why: str) -> OptionError:
    return OptionError(
        f"no Ray cluster at address {address!r} ({why.rstrip('.')}). `ray start --head` prints the address of a new one;"
        f" --address {LOCAL} starts one here for the time of the search."
    )


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray puts a handler of its own in the place of whatever is there."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    with contextlib.suppress(ValueError):  # only the main thread may, and only there Ray does
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _set(name: str, value: str) -> Iterator[None]:
    """The variable, unless it is there already; Ray reads it when it connects, and nobody who is started later should."""
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _own_paths() -> str:
    """Where this process finds modules, beyond what belongs to its Python."""
    python = (sys.prefix, sys.base_prefix)
    paths = [str(Path(path).resolve()) for path in sys.path if not path.startswith(python)]
    return os.pathsep.join(dict.fromkeys(paths))


def _asked(ask: Callable[[], I | None]) -> Given[I] | None:
    item = ask()
    return None if item is None else Given(item)


def _end(refs: list[Ref]) -> None:
    """End what is under way, and wait until it has ended."""
    if not refs:
        return
    for ref in refs:
        ray.cancel(ref, force=True)
    ray.wait(refs, num_returns=len(refs), timeout=END_S, fetch_local=False)


def _reason(error: Exception) -> str:
    how = (str(error).splitlines() or [""])[0].strip().rstrip(".")
    return f"{TRIES} workers died over it, the last one so: {type(error).__name__}, {how}; try fewer --workers."


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[-1].rstrip(".")
