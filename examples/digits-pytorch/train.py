"""Train a small network on handwritten digits with the parameters of this trial, and report every epoch."""

import torch
from sklearn import datasets, model_selection
from torch import nn

import tuning_trial

EPOCHS = 30
BATCH = 64

torch.set_num_threads(1)
torch.manual_seed(0)
parameters = tuning_trial.parameters({"lr": 0.001, "hidden": 64, "dropout": 0.2, "optimizer": "adam"})

digits = datasets.load_digits()
split = model_selection.train_test_split(
    torch.tensor(digits.data / 16, dtype=torch.float32),
    torch.tensor(digits.target),
    test_size=0.25,
    stratify=digits.target,
    random_state=0,
)
x_train, x_test, y_train, y_test = split

model = nn.Sequential(
    nn.Linear(64, parameters["hidden"]),
    nn.ReLU(),
    nn.Dropout(parameters["dropout"]),
    nn.Linear(parameters["hidden"], 10),
)
if parameters["optimizer"] == "sgd":
    optimizer = torch.optim.SGD(model.parameters(), lr=parameters["lr"], momentum=parameters["momentum"])
else:
    optimizer = torch.optim.Adam(model.parameters(), lr=parameters["lr"])

for epoch in range(EPOCHS):
    model.train()
    for batch in torch.randperm(len(x_train)).split(BATCH):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x_train[batch]), y_train[batch]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(x_test)
    tuning_trial.report(
        step=epoch,
        accuracy=(scores.argmax(dim=1) == y_test).float().mean(),
        loss=nn.functional.cross_entropy(scores, y_test),
    )
