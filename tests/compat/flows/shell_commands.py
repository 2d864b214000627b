"""Commands of the shell as tasks."""

from prefect import Flow, Parameter, task
from prefect.tasks.shell import ShellTask

shell = ShellTask()
all_lines = ShellTask(name="all lines", return_all=True)
with_env = ShellTask(env={"GREETING": "hello"}, helper_script="who() { echo world; }")
fixed = ShellTask(command="echo fixed", log_stderr=True)


@task
def command(word):
    return f"echo {word}"


with Flow("shell") as flow:
    word = Parameter("word", default="spam")
    said = shell(command=command(word))
    last_line = shell(command="printf 'one\\ntwo\\n'")
    lines = all_lines(command="printf 'one\\ntwo\\n'")
    greeted = with_env(command='echo "$GREETING $(who)"')
    overridden = with_env(command='echo "$GREETING"', env={"GREETING": "bye"})
    always = fixed()
    failed = shell(command="exit 3")
    streamed = ShellTask(stream_output=True)(command="echo streamed")
    silent = shell(command="true")

if __name__ == "__main__":
    state = flow.run()
    other = flow.run(word="eggs")
