"""Cross-validate gradient boosting on the breast cancer data with the parameters of this trial."""

from sklearn import datasets, ensemble, metrics, model_selection

import tuning_trial

parameters = tuning_trial.parameters({"learning_rate": 0.1, "max_iter": 100})
x, y = datasets.load_breast_cancer(return_X_y=True)
folds = model_selection.StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
for fold, (train, test) in enumerate(folds.split(x, y)):
    model = ensemble.HistGradientBoostingClassifier(**parameters, random_state=0).fit(x[train], y[train])
    chances = model.predict_proba(x[test])
    tuning_trial.report(
        step=fold,
        log_loss=metrics.log_loss(y[test], chances),
        accuracy=metrics.accuracy_score(y[test], chances.argmax(axis=1)),
    )
