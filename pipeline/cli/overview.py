"""What `rootstock --help` shows: the commands in the order in which people meet them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

GROUPS: Mapping[str, Sequence[str]] = {
    "from data to a model": ("init", "validate", "run", "auto"),
    "compare and improve": ("study", "advise", "tune", "methods"),
    "use a model": ("serve", "predict", "infer", "publish"),
    "its versions": ("models", "push", "promote", "rollback", "deploy"),
    "orchestrators, records, editor, shell": (
        "compile",
        "ui",
        "sync",
        "verify",
        "schema",
        "completion",
    ),
}
EXAMPLES = """\
examples:
  rootstock init people.csv --label income --label married
  rootstock run spec.yaml
  rootstock serve spec.yaml
  rootstock predict people age=41 job=cook

exit codes:
  0    success
  1    internal error
  2    problem in your spec or data
  130  interrupted"""


def overview(helps: Mapping[str, str]) -> str:
    """helps: what each command does, by its name."""
    width = max(map(len, helps))
    parts = [
        "\n".join([f"{title}:", *(f"  {name:{width}}  {helps[name]}" for name in names)])
        for title, names in GROUPS.items()
    ]
    return "\n\n".join([*parts, EXAMPLES])
