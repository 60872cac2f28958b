"""Optuna as a careful user sets it up: what is kept, frozen, tuned or new, head and rate as one space; ASHA; one hold-out."""

import time

START = time.perf_counter()

import argparse  # noqa: E402
import itertools  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import optuna  # noqa: E402
import torch  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from benchmarks import loops, networks  # noqa: E402
from benchmarks.peers import common  # noqa: E402

NETWORK = "torchvision/mobilenet_v2"
ENDS = ("features.1", "features.3", "features.6", "features.13", "features.18")  # a stage for each resolution
HEADS = ("linear", "mlp(256)", "conv(256)x2")
RATES = 1e-4, 1e-2
HELD_OUT, REDUCTION = 0.2, 3
HOW = loops.How(workers=2)
ORDINARY = [  # tried first: the softmax alone, and the whole network
    {"kept": len(ENDS), "frozen": frozen, "others": "tune", "head": "linear", "lr": 1e-3} for frozen in (len(ENDS), 0)
]

Batches = DataLoader[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Choice:
    """A point of the search space.

    Attributes:
        kept: how many stages are not cut away; frozen: how many of these are not trained, from the first one on.
        reinit: whether the stages that are trained begin with random weights.
    """

    kept: int
    frozen: int
    reinit: bool
    head: str
    lr: float

    def __str__(self) -> str:
        actions = ["freeze" if i < self.frozen else "reinit" if self.reinit else "tune" for i in range(self.kept)]
        actions += ["drop"] * (len(ENDS) - self.kept)
        runs = [(action, list(run)) for action, run in itertools.groupby(range(len(ENDS)), actions.__getitem__)]
        stages = (" .. ".join(dict.fromkeys((ENDS[run[0]], ENDS[run[-1]]))) + f": {action}" for action, run in runs)
        return f"{' | '.join(stages)} | head: {self.head}, rate {self.lr:.2g}"


def suggest(trial: optuna.trial.BaseTrial) -> Choice:
    kept = trial.suggest_int("kept", 2, len(ENDS))
    frozen = min(kept, trial.suggest_int("frozen", 0, len(ENDS)))
    reinit = trial.suggest_categorical("others", ["tune", "reinit"]) == "reinit"
    head = str(trial.suggest_categorical("head", HEADS))
    return Choice(kept, frozen, reinit and frozen < kept, head, trial.suggest_float("lr", *RATES, log=True))


def build(choice: Choice, weights: Path, classes: int, size: int, seed: int) -> networks.Classifier:
    torch.manual_seed(seed)
    given, fresh = (networks.stages(networks.units(NETWORK, file), ENDS) for file in (weights, None))
    stages = [*given[: choice.frozen], *(fresh if choice.reinit else given)[choice.frozen :]]
    trained = tuple(place >= choice.frozen for place in range(choice.kept))
    return networks.Classifier(stages, networks.Kind(trained, choice.head), classes, size)


def epochs(model: networks.Classifier, batches: Batches, lr: float, count: int) -> Iterator[int]:
    """1 .. `count`, after each epoch: AdamW, the rate falling to zero along a cosine."""
    optimizer = loops.optimizer_of(HOW.placed(model), lr)
    plan = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, count * len(batches))
    for number in range(1, count + 1):
        model.train()
        for images, labels in batches:
            loops.step(model, images, labels, optimizer, HOW)
            plan.step()
        yield number


class Search:
    """The objective: AUROC on the hold-out after `job.epochs`, or less where a trial is pruned.

    Attributes:
        curve: (seconds since the script began, best AUROC so far) after each trial that ran to its end.
    """

    def __init__(self, job: common.Job, seconds: float | None) -> None:
        self.job, self.deadline = job, START + seconds if seconds else float("inf")
        labels = [label for _, label in job.train]
        fitted, self.held = train_test_split(job.train, test_size=HELD_OUT, stratify=labels, random_state=job.seed)
        self.fitting, self.holding = batches(job, fitted, training=True), batches(job, self.held)
        self.curve: list[tuple[float, float]] = []

    def __call__(self, trial: optuna.Trial) -> float:
        choice, value = suggest(trial), 0.0
        model = build(choice, self.job.weights, len(self.job.classes), self.job.size, self.job.seed)
        for epoch in epochs(model, self.fitting, choice.lr, self.job.epochs):
            found = common.scores([label for _, label in self.held], self.job.classes, loops.predict(model, self.holding, HOW))
            value = found["auroc"] or 0.0
            trial.report(value, epoch)
            if trial.should_prune() or (self.curve and time.perf_counter() > self.deadline):
                raise optuna.TrialPruned
        self.curve.append((time.perf_counter() - START, max([value, *(best for _, best in self.curve[-1:])])))
        return value


def batches(job: common.Job, rows: Sequence[common.Row], training: bool = False) -> Batches:
    shown = loops.transform(NETWORK, job.size, training, flip=False)
    return loops.loader(loops.Images(rows, job.classes, shown), HOW.workers, training)


def search(objective: Search, trials: int | None) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=objective.job.seed),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION),
    )
    for one in ORDINARY:
        study.enqueue_trial(one)
    left = max(1.0, objective.deadline - time.perf_counter())  # one trial in any case
    study.optimize(objective, n_trials=trials, timeout=None if np.isinf(left) else left)
    return study


def refit(job: common.Job, choice: Choice) -> networks.Classifier:
    model = build(choice, job.weights, len(job.classes), job.size, job.seed)
    for _ in epochs(model, batches(job, job.train, training=True), choice.lr, job.epochs):
        pass
    return model


def main() -> None:
    job, seconds, trials = _arguments()
    begun = time.perf_counter()
    objective = Search(job, seconds)
    study = search(objective, trials)
    choice = suggest(optuna.trial.FixedTrial(study.best_params))
    model = refit(job, choice)
    ended = time.perf_counter()
    pruned = sum(trial.state is optuna.trial.TrialState.PRUNED for trial in study.trials)
    common.report(
        job,
        name="Optuna, ASHA",
        version=optuna.__version__,
        training_s=ended - begun,
        with_start_up_s=ended - START,
        classes=job.classes,
        probabilities=loops.predict(model, batches(job, job.test), HOW),
        settings={
            "chosen": str(choice),
            "trials": len(study.trials),
            "pruned": pruned,
            "curve": objective.curve,
            "hold-out AUROC": study.best_value,
            "batch": loops.BATCH,
            "precision": "fp32",
            "held out": "20 % of train, for the choice; then trained on all",
        },
    )


def _arguments() -> tuple[common.Job, float | None, int | None]:
    parser = argparse.ArgumentParser(description=__doc__, parents=[common.options()])
    parser.add_argument("--seconds", type=float, help="begin no epoch of the search after so many, start-up included")
    parser.add_argument("--trials", type=int)
    given = vars(parser.parse_args())
    seconds, trials = given.pop("seconds"), given.pop("trials")
    if seconds is None and trials is None:
        parser.error("give --seconds or --trials")
    return common.job(given), seconds, trials


if __name__ == "__main__":
    main()
