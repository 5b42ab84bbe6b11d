"""Each reporter with its real library: every step is told once, and an attempt that was killed is gone on with."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from sklearn import datasets, linear_model, tree

from tests.frameworks.conftest import Killed, Trial

X, Y = datasets.load_iris(return_X_y=True)
X = X.astype("float32")
BINARY = (Y == 2).astype("float32")


class Fragile(tree.DecisionTreeClassifier):
    """A classifier whose process is killed while it fits for the given time."""

    fits = 0
    killed_at = 0

    def fit(self, *data: Any, **options: Any) -> Any:
        type(self).fits += 1
        if type(self).fits == self.killed_at:
            raise Killed
        return super().fit(*data, **options)


def test_sklearn_goes_on_with_the_fold_that_it_was_in(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuning_trial.sklearn import cross_validate

    monkeypatch.setattr(Fragile, "fits", 0)
    monkeypatch.setattr(Fragile, "killed_at", 3)
    with pytest.raises(Killed):
        cross_validate(Fragile(random_state=0), X, Y, cv=5)
    assert trial.steps("accuracy") == [1, 2]
    first = trial.rows()
    trial.begin()
    scores = cross_validate(Fragile(random_state=0), X, Y, cv=5)
    assert trial.steps("accuracy") == [1, 2, 3, 4, 5]
    assert [row["accuracy"] for row in trial.rows()] == scores["accuracy"]
    assert [row["accuracy"] for row in trial.rows()[:2]] == [row["accuracy"] for row in first]
    assert Fragile.fits == 3 + 3


def test_sklearn_scores_are_those_of_its_own_cross_validation(bare: Trial) -> None:
    from sklearn import model_selection

    from tuning_trial.sklearn import cross_validate

    estimator = linear_model.LogisticRegression(max_iter=500)
    scoring = {"accuracy": "accuracy", "loss": "neg_log_loss"}
    found = cross_validate(estimator, X, Y, scoring=scoring, cv=3)
    theirs = model_selection.cross_validate(estimator, X, Y, scoring=scoring, cv=3)
    assert found["loss"] == pytest.approx(list(theirs["test_loss"]))
    assert [row["accuracy"] for row in bare.rows()] == pytest.approx(list(theirs["test_accuracy"]))


def test_xgboost_goes_on_with_the_model_that_was_saved(trial: Trial) -> None:
    import xgboost

    from tuning_trial.xgboost import Reporter, last, remaining

    data = xgboost.DMatrix(X, BINARY)
    parameters = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1, "eval_metric": "logloss"}

    class Kill(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if model.num_boosted_rounds() == 7:
                raise Killed
            return False

    def train(*more: Any) -> Any:
        return xgboost.train(
            parameters,
            data,
            remaining(12),
            evals=[(data, "valid")],
            xgb_model=last(),
            callbacks=[Reporter(every=5), *more],
            verbose_eval=False,
        )

    with pytest.raises(Killed):
        train(Kill())
    assert trial.steps("valid-logloss") == [1, 2, 3, 4, 5, 6, 7]
    assert remaining(12) == 7
    trial.begin()
    whole = train()
    assert trial.steps("valid-logloss") == list(range(1, 13))
    assert whole.num_boosted_rounds() == 12
    straight = xgboost.train(parameters, data, 12)
    assert numpy.allclose(whole.predict(data), straight.predict(data), atol=1e-5)
    trial.begin()
    assert remaining(12) == 0


def test_lightgbm_goes_on_with_the_model_that_was_saved(trial: Trial) -> None:
    import lightgbm

    from tuning_trial.lightgbm import Reporter, last, remaining

    parameters = {"objective": "binary", "num_leaves": 4, "num_threads": 1, "verbose": -1, "metric": "binary_logloss"}

    def kill(env: Any) -> None:
        if env.iteration == 6:
            raise Killed

    def train(*more: Any) -> Any:
        data = lightgbm.Dataset(X, BINARY, free_raw_data=False)
        return lightgbm.train(
            parameters,
            data,
            remaining(12),
            valid_sets=[data],
            valid_names=["valid"],
            init_model=last(),
            callbacks=[Reporter(every=5), *more],
        )

    with pytest.raises(Killed):
        train(kill)
    assert trial.steps("valid-binary_logloss") == [1, 2, 3, 4, 5, 6, 7]
    trial.begin()
    whole = train()
    assert trial.steps("valid-binary_logloss") == list(range(1, 13))
    assert whole.current_iteration() == 12
    assert remaining(12) == 0


def test_keras_goes_on_after_the_last_whole_epoch(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    from tuning_trial.keras import callbacks

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise Killed

    def fit(*more: Any) -> Any:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        options = {"epochs": 4, "validation_data": (X, Y), "verbose": 0, "callbacks": [*callbacks(), *more]}
        return model.fit(X, Y, **options)

    assert keras.backend.backend() == "torch"
    with pytest.raises(Killed):
        fit(Kill())
    assert trial.steps("val_accuracy") == [1, 2]
    trial.begin()
    history = fit()
    assert trial.steps("val_accuracy") == [1, 2, 3, 4]
    assert history.epoch == [2, 3]
    trial.begin()
    fit()
    assert trial.steps("val_accuracy") == [1, 2, 3, 4]


def test_lightning_goes_on_after_the_last_whole_epoch(trial: Trial) -> None:
    import lightning
    import torch

    from tuning_trial.lightning import callbacks, last

    class Model(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 3)
            self.trained: list[int] = []

        def training_step(self, batch: Any, _: int) -> Any:
            loss = torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
            self.log("loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, _: int) -> None:
            self.log("val_accuracy", (self.layer(batch[0]).argmax(1) == batch[1]).float().mean())

        def on_train_epoch_start(self) -> None:
            self.trained.append(self.current_epoch)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.1)

    class Kill(lightning.Callback):
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 2:
                raise Killed

    def fit(*more: Any) -> Model:
        data = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=50
        )
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
        model = Model()
        trainer = lightning.Trainer(max_epochs=4, callbacks=[*callbacks(), *more], **quiet)
        trainer.fit(model, data, data, ckpt_path=last())
        return model

    with pytest.raises(Killed):
        fit(Kill())
    assert trial.steps("val_accuracy") == trial.steps("loss") == [1, 2]
    trial.begin()
    assert fit().trained == [2, 3]
    assert trial.steps("val_accuracy") == [1, 2, 3, 4]


def test_transformers_go_on_from_their_last_checkpoint(trial: Trial) -> None:
    import torch
    import transformers

    from tuning_trial.transformers import Reporter, last, output_dir

    class Kill(transformers.TrainerCallback):
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if round(state.epoch or 0) == 2:
                raise Killed

    class Rows(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 16

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {"input_ids": torch.tensor([index % 7, 1, 2]), "labels": torch.tensor(index % 2)}

    config = transformers.BertConfig(
        vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, num_labels=2
    )

    def fit(*more: Any) -> Any:
        torch.manual_seed(0)
        arguments = transformers.TrainingArguments(
            output_dir("out"),
            num_train_epochs=4,
            per_device_train_batch_size=8,
            eval_strategy="epoch",
            save_strategy="epoch",
            logging_strategy="epoch",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        )
        trainer = transformers.Trainer(
            transformers.BertForSequenceClassification(config),
            arguments,
            train_dataset=Rows(),
            eval_dataset=Rows(),
            callbacks=[Reporter(), *more],
        )
        return trainer.train(resume_from_checkpoint=last())

    with pytest.raises(Killed):
        fit(Kill())
    assert trial.steps("eval_loss") == [2, 4]
    trial.begin()
    fit()
    assert trial.steps("eval_loss") == [2, 4, 6, 8]
    assert last() is not None


@pytest.mark.parametrize("style", [{}, {"new_style": True}], ids=["simple values", "tensors"])
def test_what_pytorch_writes_for_tensorboard_is_read(trial: Trial, style: dict[str, bool]) -> None:
    from torch.utils import tensorboard

    from tuning_trial.tensorboard import Events

    folder = trial.folder / "tensorboard"
    with tensorboard.SummaryWriter(str(folder)) as writer:
        for step in range(1, 4):
            writer.add_scalar("val/accuracy", step / 4, step, **style)
        writer.add_text("note", "text")
        writer.add_histogram("weights", numpy.arange(10), 1)
        writer.flush()
        events = Events(str(folder), ["val/accuracy"])
        while events.poll():
            pass
        assert [(row.step, row.values) for row in events.observations()] == [
            (1, {"val/accuracy": 0.25}),
            (2, {"val/accuracy": 0.5}),
            (3, {"val/accuracy": 0.75}),
        ]
    assert events.summary().bad_lines == 0
