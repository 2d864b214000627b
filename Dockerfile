# The image of Headrace: server, agents, and what flow runs in containers start from, in one.
#
#   docker build -t headrace .
#   docker build -t headrace --build-arg EXTRAS=postgres,aws --build-arg BASE=python:3.13-slim .
#
# How to use it: docs/guide/deploying-the-server.md. No BuildKit is needed.
ARG BASE=python:3.12-slim

FROM ${BASE} AS wanted
ARG EXTRAS=aws,azure,bitbucket,dask,docker,gcp,git,github,gitlab,kubernetes,postgres,yaml
WORKDIR /wanted
COPY pyproject.toml requirements/all.lock deploy/wanted.py /from/
RUN python3 /from/wanted.py /from/pyproject.toml /from/all.lock "${EXTRAS}"

FROM ${BASE} AS dependencies
# More options of pip, such as those of a package index of your own. Wheels beside the Dockerfile, in
# the folder `wheels`, are found: `--no-index` builds from them alone.
ARG PIP_OPTIONS=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_FIND_LINKS=/wheels
WORKDIR /build
# In the versions that the tests ran with. Only other dependencies renew them, not any other change.
COPY LICENSE wheel[s] /wheels/
COPY --from=wanted /wanted ./
RUN python3 -m venv /opt/headrace \
 && /opt/headrace/bin/pip install ${PIP_OPTIONS} -r wanted.txt -c locked.txt

FROM dependencies AS wheel
ARG PIP_OPTIONS=""
RUN python3 -m venv /opt/build \
 && /opt/build/bin/pip install ${PIP_OPTIONS} -r build.txt -c locked.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/build/bin/python -m hatchling build -t wheel -d /built

FROM ${BASE}
# An id that nobody else has. Volumes at the two folders are its own, too.
RUN groupadd --gid 65532 headrace \
 && useradd --uid 65532 --gid 65532 --create-home --shell /usr/sbin/nologin headrace \
 && install -d -o headrace -g headrace -m 0700 /data /keys
# The user's own, so that images that are made from this one can install more.
COPY --from=dependencies --chown=65532:65532 /opt/headrace /opt/headrace
COPY deploy/headrace-first-keys deploy/headrace-health /usr/local/bin/
ENV PATH=/opt/headrace/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HEADRACE_HOME=/data \
    PYTHONUNBUFFERED=1 \
    LANG=C.UTF-8
USER 65532:65532
COPY --from=wheel /built /tmp/built
RUN pip install --no-cache-dir --no-index --no-deps /tmp/built/*.whl
WORKDIR /home/headrace
EXPOSE 4200
# It asks the server; agents and flow runs have no port, and are well while they run.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["headrace-health"]
CMD ["headrace", "server", "start", "--host", "0.0.0.0"]
