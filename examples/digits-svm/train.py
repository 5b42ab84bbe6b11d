"""Cross-validate a support vector machine on handwritten digits with the parameters of this trial."""

from sklearn import datasets, model_selection, svm

import tuning_trial

parameters = tuning_trial.parameters({"kernel": "rbf", "C": 1.0, "gamma": 0.001})
x, y = datasets.load_digits(return_X_y=True)
folds = model_selection.StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
for fold, (train, test) in enumerate(folds.split(x, y)):
    model = svm.SVC(**parameters).fit(x[train], y[train])
    tuning_trial.report(step=fold, accuracy=model.score(x[test], y[test]))
