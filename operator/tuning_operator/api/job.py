"""`TuningJob`: what a data scientist writes, and the status they read back.

These models are the single source of the API: the CRDs, the documentation that `kubectl explain` shows and the
validation are all made from them. The docstring under each field is what users read.
"""

from __future__ import annotations

import datetime
import enum
from typing import Annotated, Any, Literal

import pydantic

from tuning_operator.api import base, trial
from tuning_operator.api.conditions import BestTrial as BestTrial  # noqa: PLC0414
from tuning_operator.api.conditions import Condition as Condition  # noqa: PLC0414 - part of this module's API
from tuning_operator.api.conditions import TrialCounts as TrialCounts  # noqa: PLC0414
from tuning_operator.api.lives import Checkpoints as Checkpoints  # noqa: PLC0414
from tuning_operator.api.lives import EarlyStopping as EarlyStopping  # noqa: PLC0414
from tuning_operator.api.metrics import Endpoint as Endpoint  # noqa: PLC0414
from tuning_operator.api.metrics import Metrics as Metrics  # noqa: PLC0414
from tuning_operator.api.metrics import MetricsFormat as MetricsFormat  # noqa: PLC0414
from tuning_operator.api.metrics import MetricsSource as MetricsSource  # noqa: PLC0414

GROUP = "tuning-operator.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

ENV_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"


class Goal(enum.StrEnum):
    """The direction of an objective."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class From(enum.StrEnum):
    """Which of a trial's observations make its objective value."""

    BEST = "best"
    LAST = "last"
    MEAN = "mean"
    WORST = "worst"


class Measure(enum.StrEnum):
    """What the product itself measures of each trial; names that may be used like metrics."""

    DURATION = "duration"
    COST = "cost"
    PEAK_MEMORY = "peakMemory"


class ParameterType(enum.StrEnum):
    """The kinds of parameter."""

    FLOAT = "float"
    INT = "int"
    CATEGORICAL = "categorical"
    ORDINAL = "ordinal"

    def is_listed(self) -> bool:
        """Whether its values are listed one by one."""
        return self in (ParameterType.CATEGORICAL, ParameterType.ORDINAL)


class Scale(enum.StrEnum):
    """How a numeric range is searched."""

    LINEAR = "linear"
    LOG = "log"


class Objective(base.Model):
    """A metric to optimise."""

    metric: Annotated[str, pydantic.Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_./-]*$")]
    """Name of the metric, as the trial reports it; or one that is measured for every trial: duration (seconds that its container ran), cost (that times the profile's cost) or peakMemory (bytes)."""
    goal: Goal
    """maximize or minimize."""
    target: float | None = None
    """The job is complete as soon as a trial reaches this value."""
    from_: Annotated[From, pydantic.Field(alias="from")] = From.BEST
    """Which of the trial's observations count: its best one, its last one, their mean, or its worst one."""


class Parameter(base.Model):
    """One hyperparameter and the values it may take. Trials read it from the environment variable HP_<name>."""

    name: Annotated[str, pydantic.Field(min_length=1, max_length=63, pattern=ENV_NAME_PATTERN)]
    """Name of the parameter. The trial finds its value in the environment variable HP_<name>, so it is made of letters, digits and underscores."""
    type: ParameterType
    """float (a real number between min and max), int (a whole number between min and max), categorical (one of values, which have no order) or ordinal (one of values, which are in order, such as [small, medium, large])."""
    min: float | None = None
    """Smallest value, for float and int."""
    max: float | None = None
    """Largest value, for float and int. With a step it is the largest value that may be reached."""
    step: float | None = None
    """Distance between neighbouring values, counted from min: min 5, step 2 gives 5, 7, 9. The default is 1 for int; a float without a step is continuous."""
    scale: Scale = Scale.LINEAR
    """linear, or log for a range that spans orders of magnitude, such as a learning rate."""
    values: (
        Annotated[list[pydantic.StrictInt | pydantic.StrictStr], pydantic.Field(min_length=1, max_length=1000)] | None
    ) = None
    """The choices of a categorical or ordinal parameter: strings or whole numbers. Write other numbers and true or false in quotes; the trial sees the same text."""
    when: (
        Annotated[
            dict[
                str,
                Annotated[list[pydantic.StrictInt | pydantic.StrictStr], pydantic.Field(min_length=1, max_length=1000)],
            ],
            pydantic.Field(min_length=1, max_length=16),
        ]
        | None
    ) = None
    """Makes the parameter conditional: it exists only in trials where each named categorical, ordinal or int parameter exists and has one of the given values, for example {kernel: [poly]}. Such a parameter may be named in turn, to any depth."""
    prior: Prior | None = None
    """Where you expect the best value. It is a hint: the first trial is at the priors' centre, fewer and fewer later ones are drawn from them, and all other values stay possible."""


class Prior(base.Model):
    """Where the best value of a parameter is expected: mean and sigma for float and int, weights for categorical and ordinal."""

    mean: float | None = None
    """The value that you expect to be the best."""
    sigma: Annotated[float, pydantic.Field(gt=0)] | None = None
    """How sure you are: two of three times the best value is at most this far from mean. In the parameter's own unit; with scale log in powers of ten, so that mean 0.001 and sigma 1 reach from 0.0001 to 0.01."""
    weights: (
        Annotated[list[Annotated[float, pydantic.Field(ge=0)]], pydantic.Field(min_length=1, max_length=1000)] | None
    ) = None
    """How likely each of the values is the best one, in their order; only their proportions count."""


class Search(base.Model):
    """How configurations are chosen."""

    algorithm: Annotated[str, pydantic.Field(min_length=1, max_length=63)] = "auto"
    """Name of the algorithm: auto (chooses by the space and the results, and says so in status.search), bayesian (scikit-optimize), tpe, multivariate-tpe, cmaes, evolution (NSGA-II or III), pso, sobol, halton, lhs, random, grid, gp or hyperopt (which need a package more), or the name that a plug-in gave. Katib's names are understood."""
    seed: Annotated[int, pydantic.Field(ge=0, le=2**31 - 1)] = 0
    """Makes the search reproducible: the same seed and the same results give the same suggestions."""
    settings: dict[str, bool | int | float | str] = {}
    """Settings of the algorithm, by name."""
    start_from: Annotated[list[dict[str, int | float | str]], pydantic.Field(max_length=1000)] = []
    """Configurations to try first, in this order. A parameter that is left out is sampled."""
    warm_start_from: Annotated[list[JobReference], pydantic.Field(max_length=16)] = []
    """Earlier jobs to learn from, finished or not; their parameters may differ. What is taken over, when this job begins, is kept in its status: at most 100 results. On one machine these are jobs that were run in the same folder."""


class JobReference(base.Model):
    """Another TuningJob of the same namespace."""

    name: Annotated[str, pydantic.Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
    """Name of the job."""


class Limits(base.Model):
    """What the job may use. All of these may be changed while it runs."""

    max_trials: Annotated[int, pydantic.Field(ge=1, le=100_000)] | None = None
    """The job is complete after this many trials. May be left out where something else ends the job: maxDuration, or a grid."""
    parallel_trials: Annotated[int, pydantic.Field(ge=1, le=1000)] = 1
    """How many trials may run at the same time."""
    max_failed_trials: Annotated[int, pydantic.Field(ge=0, le=100_000)] = 5
    """The job fails when more trials than this have failed."""
    max_unfit: base.Duration = "10m"
    """The job ends when for this long no node of the cluster could run a trial, even if nothing else ran there, or the namespace's quota is too small for one. Waiting for nodes that are busy has no end."""
    max_duration: base.Duration | None = None
    """The job is complete, and its running trials are stopped, after this time, such as 2h or 1h30m. Time spent suspended does not count."""
    min_improvement: Annotated[float, pydantic.Field(gt=0)] | None = None
    """The job is complete, and its running trials are stopped, when the next trial is unlikely (5 %) to improve the best value by more than this, in the objective's unit; see status.insight. For one objective. Something else has to limit the job beside it."""


class Profile(base.Model):
    """A resource shape that a trial may run in."""

    name: Annotated[str, pydantic.Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    """Name of the profile. A trial finds the one that it runs in in the environment variable TUNING_PROFILE."""
    resources: Resources
    """Requests and limits of the trial's container."""
    cost: Annotated[float, pydantic.Field(ge=0)] = 1.0
    """What a second in this profile costs, relative to the others; the measure cost of a trial is its duration times this."""
    node_selector: dict[str, str] = {}
    """Labels that a node must have."""
    tolerations: list[Toleration] = []
    """Taints that the trial accepts."""
    wait: base.Duration | None = None
    """How long room for this profile is waited for before the next profile is tried as well, such as 10m. Without it the next one is tried at once."""


class Resources(base.Model):
    """Requests and limits, as in a Pod's container."""

    requests: dict[str, pydantic.StrictInt | pydantic.StrictStr] = {}
    """What the trial is guaranteed, by resource name."""
    limits: dict[str, pydantic.StrictInt | pydantic.StrictStr] = {}
    """What the trial may use at most, by resource name."""


class Toleration(base.Model):
    """A toleration, as in a Pod."""

    key: str | None = None
    """Key of the taint; empty for all taints."""
    operator: Literal["Equal", "Exists"] | None = None
    """How the value is compared."""
    value: str | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; empty for all effects."""
    toleration_seconds: int | None = None
    """How long a NoExecute taint is tolerated."""


class Trial(base.Model):
    """How each trial is run."""

    max_duration: base.Duration | None = None
    """A trial that runs longer fails with reason DeadlineExceeded. Counted from the start of its container, so that waiting for a node or an image costs nothing."""
    retries: Annotated[int, pydantic.Field(ge=0, le=100)] = 3
    """How often a trial is started again when its Pod is lost through no fault of its own: eviction, preemption, a lost node, a deleted Pod. A trial whose own code fails is not retried."""
    repeats: Annotated[int, pydantic.Field(ge=1, le=100)] = 1
    """How many trials each configuration gets, for objectives that differ from run to run. They may run at the same time; TUNING_REPEAT, from 0, tells them apart, for example as a seed. The search, best and targets go by their mean; a configuration counts once all its trials have ended, and as failed if one of them failed. Limits count trials: 40 trials with 2 repeats are 20 configurations."""
    workers: Annotated[int, pydantic.Field(ge=1, le=1000)] = 1
    """How many Pods make one trial."""


class JobSpec(base.Model):
    """What to optimise, over which parameters, for how long, and the Pod that does it."""

    objectives: Annotated[list[Objective], pydantic.Field(min_length=1, max_length=8)]
    """What to optimise."""
    parameters: Annotated[list[Parameter], pydantic.Field(min_length=1, max_length=200)]
    """The hyperparameters and their ranges."""
    constraints: Annotated[
        list[Annotated[str, pydantic.Field(min_length=1, max_length=1024)]], pydantic.Field(max_length=64)
    ] = []
    """Conditions that every configuration meets, such as "batch_size * seq_len <= 65536"."""
    outcome_constraints: Annotated[
        list[Annotated[str, pydantic.Field(min_length=1, max_length=1024)]], pydantic.Field(max_length=16)
    ] = []
    """Conditions on what a trial comes to, such as "latency_ms <= 20" or "duration < 600", over metrics that it reports and the measures duration, cost and peakMemory. A metric that is an objective counts with its objective value, another one with its last value. Names with other characters than letters, digits and _ stand in backticks. A trial that breaks one has succeeded, and is never the best."""
    search: Search = Search()
    """How configurations are chosen."""
    early_stopping: EarlyStopping | None = None
    """When hopeless trials are ended."""
    limits: Limits = Limits()
    """What the job may use."""
    profiles: Annotated[list[Profile], pydantic.Field(max_length=16)] = []
    """Resource shapes that a trial may run in, best first: each trial runs in the first one for which there is room."""
    metrics: Metrics = Metrics()
    """Where observations come from."""
    checkpoints: Checkpoints | None = None
    """Where trials keep their checkpoints. Each finds its folder in TUNING_CHECKPOINT_DIR; an attempt that takes the place of a lost one finds there what that one has left."""
    trial: Trial = Trial()
    """How each trial is run."""
    template: dict[str, Any]
    """The Pod of a trial, as in a Kubernetes Job (metadata and spec). The container named "trial", or else the first one, is the trial."""
    suspend: bool = False
    """While true, no trial runs: running Pods are removed and started again, with the same parameters, when it is false."""
    stop: bool = False
    """When true, the job ends now: trials that run are stopped, and it is complete with what it has found. False again, and it goes on from there."""


class JobPhase(enum.StrEnum):
    """Where a job stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"

    def is_finished(self) -> bool:
        """Whether no trial will run any more."""
        return self in (JobPhase.COMPLETE, JobPhase.FAILED)


class Lesson(base.Model):
    """A result of an earlier job, as this one learns from it."""

    parameters: dict[str, int | float | str]
    """The configuration, in this job's space."""
    values: dict[str, float]
    """The objective values, by metric."""
    violations: Annotated[list[float], pydantic.Field(max_length=16)] = []
    """By how much each outcome constraint is broken; 0 or less where it is met."""


class WarmStartSource(base.Model):
    """An earlier job that was learnt from."""

    name: str
    """Name of the job."""
    uid: str
    """Its uid."""
    usable: int
    """How many of its trials say something about this job's parameters and objectives."""
    unusable: int
    """How many do not: they have not succeeded, are outside of the ranges, or lack a metric."""


class WarmStart(base.Model):
    """What was taken over from earlier jobs when this one began; it does not change any more."""

    sources: Annotated[list[WarmStartSource], pydantic.Field(max_length=16)]
    """The jobs that it was taken from."""
    digest: str
    """Fingerprint of the results."""
    results: Annotated[list[Lesson], pydantic.Field(max_length=100)]
    """The results: where there were more, the better half of the room holds the best, the rest is spread over the others."""


class Insight(base.Model):
    """What the results say about the search itself. It is looked at now and then, as results come in."""

    trials: int
    """How many trials with values it is derived from."""
    importance: dict[str, float] = {}
    """The share that each parameter has in how the objective varies, as a random forest has learnt it; together they are 1. Empty where nothing can be said."""
    improvement: float | None = None
    """The next trial is unlikely (5 %) to improve the best value by more than this, in the objective's unit, as far as a Gaussian process can tell. For one objective."""


class JobStatus(base.Model):
    """What became of the job so far."""

    phase: JobPhase = JobPhase.PENDING
    """Pending, Running, Suspended, Complete or Failed."""
    message: str = ""
    """Why the job is in this phase, or what it waits for."""
    conditions: Annotated[list[Condition], pydantic.Field(max_length=16)] = []
    """The details, as conditions."""
    observed_generation: int = 0
    """The generation of the spec that this status was derived from."""
    spec_digest: str = ""
    """Fingerprint of the objectives, parameters, constraints and search that the job began with; they may not change."""
    trials: TrialCounts = TrialCounts()
    """How many trials there are, by phase."""
    progress: str = ""
    """Finished trials out of all that are planned, such as 12/40."""
    search: trial.Chooser | None = None
    """The algorithm that chose the newest trial and why, where that is not simply the one that the job names: what auto decided for."""
    best: BestTrial | None = None
    """The best trial so far. With several objectives: the one of the Pareto front that gives up least, whose worst objective, measured within the front's range, is the best."""
    best_value: str = ""
    """The best trial's objectives, for the table of kubectl get."""
    pareto_front: Annotated[list[BestTrial], pydantic.Field(max_length=64)] = []
    """With several objectives: the trials that no other one beats in all of them, sorted by the first objective. Of a large front up to 50 are shown: the best of each objective, and others that lie far apart."""
    front_size: int | None = None
    """How many trials the whole Pareto front has."""
    hypervolume: float | None = None
    """How much of the objectives' space the trials in paretoFront dominate, up to hypervolumeReference, in the product of the objectives' units. It grows as the front gets better. Given for up to six objectives."""
    hypervolume_reference: dict[str, float] | None = None
    """The point up to which the hypervolume is counted: the worst values of the first ten trials that succeeded."""
    insight: Insight | None = None
    """Which parameters matter, and what may still be gained."""
    warm_start: WarmStart | None = None
    """With search.warmStartFrom: what was taken over from earlier jobs."""
    start_time: datetime.datetime | None = None
    """When the job was first looked at."""
    completion_time: datetime.datetime | None = None
    """When the job finished."""
    unfit_since: datetime.datetime | None = None
    """Since when no trial could run even on an empty node; compared with limits.maxUnfit."""
    active_seconds: float = 0.0
    """Time counted against maxDuration before the last suspension, in seconds."""
    active_since: datetime.datetime | None = None
    """Since when time counts against maxDuration again; not set while suspended."""
