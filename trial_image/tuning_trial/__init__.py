"""The trial's side of tuning-operator: a reporter for training code, and the sidecar that collects what it reports.

Training code needs two functions only::

    import tuning_trial

    lr = tuning_trial.parameters({"lr": 0.1})["lr"]
    tuning_trial.report(step=1, accuracy=0.9)
"""

from tuning_trial.reporter import parameters, report

__all__ = ["parameters", "report"]
