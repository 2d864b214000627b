"""What a task's `run` takes, and how the arguments of a call are bound to it.

Everything that a task takes travels by keyword, so that an input can be a task whose result comes
later. `inspect` is not needed for plain functions, and importing it would cost more than all of
the authoring layer; it is imported only for callables that are no plain functions.
"""

from __future__ import annotations

import re
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, get_args, get_origin

from headrace.core.errors import ArgumentError, TaskDefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Keywords of a task's call itself; `run` cannot have parameters of these names.
RESERVED = ("upstream_tasks", "mapped", "task_args", "flow")

# How `inspect` and the interpreter mark a code object that takes *args or **kwargs.
_CO_VARARGS, _CO_VARKEYWORDS = 0x04, 0x08


class RunSignature:
    """The parameters of a task's `run`.

    Attributes:
        function: The callable that was read.
        positional: The names that can be given by position, in order (without `self`).
        names: All names, in order.
        required: The names that have no default.
        any_keyword: Whether `run` takes `**kwargs`.
        nout: How many outputs the return annotation announces, or None.
    """

    __slots__ = ("any_keyword", "function", "names", "nout", "positional", "required")

    def __init__(
        self,
        function: Any,
        positional: tuple[str, ...],
        names: tuple[str, ...],
        required: tuple[str, ...],
        any_keyword: bool,
        nout: int | None,
    ) -> None:
        self.function = function
        self.positional = positional
        self.names = names
        self.required = required
        self.any_keyword = any_keyword
        self.nout = nout

    def bind(self, task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Give each argument of a call the name of the parameter that takes it.

        Args:
            task: The task's name, for the messages of errors.
            args: The positional arguments.
            kwargs: The keyword arguments.

        Returns:
            The arguments by parameter name; parameters that keep their default are left out.

        Raises:
            ArgumentError: If there are too many arguments, one too few, or an unknown one.
        """
        positional, names = self.positional, self.names
        if len(args) > len(positional):
            raise ArgumentError(
                f"Task {task!r} was given {len(args)} positional arguments, but its run takes "
                f"{len(positional)}: {self}. Pass the others by name, or leave them out."
            )
        bound = dict(zip(positional, args, strict=False))
        for name, value in kwargs.items():
            if name in bound:
                raise ArgumentError(
                    f"Task {task!r} was given its argument {name!r} twice, by position and by "
                    f"name: {self}."
                )
            if name not in names and not self.any_keyword:
                raise ArgumentError(
                    f"Task {task!r} has no argument {name!r}; its run takes {self}."
                )
            bound[name] = value
        for name in self.required:
            if name not in bound:
                missing = ", ".join(repr(n) for n in self.required if n not in bound)
                raise ArgumentError(
                    f"Task {task!r} was called without {missing}; its run takes {self}. Give "
                    "it a value or a task, or give the parameter a default."
                )
        return bound

    def accepts(self, name: str) -> bool:
        """Tell whether `run` takes an argument of this name."""
        return self.any_keyword or name in self.names

    def __str__(self) -> str:
        required = set(self.required)
        shown = [name if name in required else f"{name}=..." for name in self.names]
        if self.any_keyword:
            shown.append("**")
        return f"({', '.join(shown)})"


def signature_of(run: Callable[..., Any], owner: str) -> RunSignature:
    """Read the signature of a `run` as it is called: a function, a bound method, any callable.

    Args:
        run: The callable.
        owner: The task's name, for the messages of errors.

    Returns:
        Its parameters; a bound method's `self` is not among them.

    Raises:
        TaskDefinitionError: If it takes `*args`, has positional-only parameters or parameters of
            reserved names, or cannot be read at all.
    """
    if isinstance(run, MethodType):
        return unbound_signature(run.__func__, owner, skip=1)
    return unbound_signature(run, owner, skip=0)


def unbound_signature(function: Any, owner: str, skip: int) -> RunSignature:
    """Read the signature of a function, without its first `skip` parameters.

    Args:
        function: The function, or any callable.
        owner: The task's name, for the messages of errors.
        skip: 1 for a function that is to be called as a method, else 0.

    Returns:
        Its parameters.

    Raises:
        TaskDefinitionError: As for `signature_of`.
    """
    inner = function
    while hasattr(inner, "__wrapped__") and not hasattr(inner, "__signature__"):
        inner = inner.__wrapped__
    if type(inner) is not FunctionType or hasattr(inner, "__signature__"):
        return _inspected(function, owner, skip)
    code = inner.__code__
    if code.co_flags & _CO_VARARGS:
        raise _takes_varargs(owner)
    if code.co_posonlyargcount > skip:
        raise _takes_positional_only(owner, code.co_varnames[skip : code.co_posonlyargcount])
    count = code.co_argcount
    positional = code.co_varnames[skip:count]
    keyword_only = code.co_varnames[count : count + code.co_kwonlyargcount]
    defaults = len(inner.__defaults__ or ())
    keyword_defaults = inner.__kwdefaults__ or {}
    required = code.co_varnames[skip : max(skip, count - defaults)] + tuple(
        name for name in keyword_only if name not in keyword_defaults
    )
    names = positional + keyword_only
    _refuse_reserved(owner, names)
    return RunSignature(
        function,
        positional,
        names,
        required,
        bool(code.co_flags & _CO_VARKEYWORDS),
        announced_outputs(inner.__annotations__.get("return")),
    )


def _inspected(function: Any, owner: str, skip: int) -> RunSignature:
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise TaskDefinitionError(
            f"The arguments of {function!r}, the function of task {owner!r}, cannot be read, as is "
            "common for functions written in C. Wrap it in a Python function and make that a task."
        ) from error
    parameters = list(signature.parameters.values())[skip:]
    kinds = inspect.Parameter
    if any(p.kind is kinds.VAR_POSITIONAL for p in parameters):
        raise _takes_varargs(owner)
    positional_only = tuple(p.name for p in parameters if p.kind is kinds.POSITIONAL_ONLY)
    if positional_only:
        raise _takes_positional_only(owner, positional_only)
    named = [p for p in parameters if p.kind is not kinds.VAR_KEYWORD]
    names = tuple(p.name for p in named)
    _refuse_reserved(owner, names)
    result = signature.return_annotation
    return RunSignature(
        function,
        tuple(p.name for p in named if p.kind is kinds.POSITIONAL_OR_KEYWORD),
        names,
        tuple(p.name for p in named if p.default is kinds.empty),
        len(named) < len(parameters),
        announced_outputs(None if result is kinds.empty else result),
    )


def _takes_varargs(owner: str) -> TaskDefinitionError:
    return TaskDefinitionError(
        f"The run of task {owner!r} takes *args, but all inputs of a task travel by name. "
        "Take a list instead, or **kwargs."
    )


def _takes_positional_only(owner: str, names: tuple[str, ...]) -> TaskDefinitionError:
    return TaskDefinitionError(
        f"The run of task {owner!r} has positional-only parameters ({', '.join(names)}), but all "
        "inputs of a task travel by name. Remove the `/` from its signature, or wrap the function."
    )


def _refuse_reserved(owner: str, names: tuple[str, ...]) -> None:
    for name in RESERVED:
        if name in names:
            raise TaskDefinitionError(
                f"The run of task {owner!r} has a parameter named {name!r}, which is a keyword of "
                f"every task's call (as are {', '.join(r for r in RESERVED if r != name)}). "
                "Rename it."
            )


_TUPLE = re.compile(r"(?:\w+\.)*[tT]uple\[(.*)\]", re.DOTALL)


def announced_outputs(annotation: Any) -> int | None:
    """Tell how many outputs a return annotation announces.

    Args:
        annotation: The annotation, evaluated or as a string; None if there is none.

    Returns:
        The length of an annotated tuple of fixed length; None for all else.
    """
    if isinstance(annotation, str):
        found = _TUPLE.fullmatch(annotation.strip())
        return None if found is None else _count_items(found.group(1))
    if get_origin(annotation) is not tuple:
        return None
    items = get_args(annotation)
    if not items:
        # `Tuple` alone has any length, `tuple[()]` is the empty one; only the latter is subscripted.
        return 0 if hasattr(annotation, "__args__") else None
    return None if items[-1] is Ellipsis else len(items)


def _count_items(text: str) -> int | None:
    """Count the types between the brackets of a tuple annotation that is not evaluated."""
    depth, items, last = 0, 1, ""
    for character in text:
        if character in "[(":
            depth += 1
        elif character in "])":
            depth -= 1
        if character == "," and depth == 0:
            items, last = items + 1, ""
        else:
            last += character
    if text.strip() in ("", "()"):
        return 0
    if last.strip() == "...":
        return None
    return items if last.strip() else items - 1
