# The operator. Any base with Python 3.11 or newer at the same path in both stages will do.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS build
RUN python3 -m venv /opt/tuning
WORKDIR /src
# The dependencies, in a layer that only a change of the dependencies rebuilds.
COPY constraints.txt pyproject.toml ./
RUN python3 -c "import tomllib; print(*(line for line in tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'] if line != 'tuning-trial'), sep='\n')" > requirements.txt \
 && /opt/tuning/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt -r requirements.txt \
 && find /opt/tuning -depth -type d -name tests -path '*/site-packages/*' -exec rm -rf {} +
COPY README.md LICENSE ./
COPY trial_image trial_image
COPY operator operator
# The byte code stays, unlike the tests: the root file system is read-only, so a start without it would compile everything anew.
RUN /opt/tuning/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps ./trial_image . \
 && /opt/tuning/bin/pip uninstall --yes --quiet pip setuptools

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="tuning-operator" \
      org.opencontainers.image.description="Hyperparameter tuning on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/tuning /opt/tuning
# USER: the numeric user has no name in /etc/passwd, and Python asks for one.
ENV PATH=/opt/tuning/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 USER=tuning HOME=/tmp
WORKDIR /tmp
USER 65532:65532
ENTRYPOINT ["tuning-operator"]
CMD ["run"]
