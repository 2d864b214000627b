"""Projects."""

from __future__ import annotations

from headrace.client.resource import Resource, path
from headrace.wire.projects import CreateProject, Project


class Projects(Resource):
    """What can be asked about projects."""

    def create_project(
        self, name: str, description: str = "", *, exists_ok: bool = False
    ) -> Project:
        """Make a project.

        Args:
            name: Its name: unique.
            description: What it is for.
            exists_ok: Whether a project of this name is returned if there is one.

        Raises:
            Conflict: If there is one and `exists_ok` is false.
        """
        from headrace.core.errors import Conflict

        try:
            return self._transport.request(
                "POST", "/projects", CreateProject(name=name, description=description), Project
            )
        except Conflict:
            if not exists_ok:
                raise
            return self.get_project(name)

    def projects(self) -> list[Project]:
        """Return all projects, by name."""
        return self._transport.request("GET", "/projects", answer=list[Project])

    def get_project(self, name: str) -> Project:
        """Return a project.

        Raises:
            NotFound: If there is none of this name.
        """
        return self._transport.request("GET", path("projects", name), answer=Project)

    def delete_project(self, name: str) -> None:
        """Delete a project with its flows and their runs.

        Raises:
            NotFound: If there is none of this name.
            Conflict: If runs of its flows are not over.
        """
        self._transport.request("DELETE", path("projects", name))
