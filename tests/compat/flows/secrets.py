"""Secrets from the context and the environment."""

import os

import prefect
from prefect import Flow, task
from prefect.client import Secret
from prefect.client.secrets import Secret as SecretOfSubmodule
from prefect.tasks.secrets import EnvVarSecret, PrefectSecret

record = []
os.environ["SERVICE_TOKEN"] = "from-the-environment"


@task
def login(password, user):
    return f"{user}:{len(password)}"


@task
def ask():
    return Secret("API_KEY").get()


@task
def shout(text):
    return text.upper()


with Flow("secrets") as flow:
    password = PrefectSecret("PASSWORD")
    token = EnvVarSecret("SERVICE_TOKEN")
    absent = EnvVarSecret("NOT_THERE_AT_ALL")
    unset = EnvVarSecret("NOT_THERE_EITHER", raise_if_missing=True)
    logged_in = login(password, "marvin")
    shouted = shout(token)
    nothing = shout(absent)
    nothing_at_all = shout(unset)
    asked = ask()
    structured = PrefectSecret("STRUCTURED")
    user = structured["user"]
    missing = shout(PrefectSecret("NOWHERE"))

if __name__ == "__main__":
    known = {"PASSWORD": "swordfish", "API_KEY": "k-1", "STRUCTURED": '{"user": "arthur"}'}
    with prefect.context(secrets=known):
        state = flow.run()
        record.append([Secret("API_KEY").exists(), Secret("NOWHERE").exists()])
        record.append(SecretOfSubmodule("STRUCTURED").get())
    try:
        Secret("API_KEY").get()
    except ValueError:
        record.append("gone with the context")
