"""``sgt completion``: a script that completes commands, options and names in bash, zsh or fish, made of the parsers themselves."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field

EXAMPLES = """  eval "$(sgt completion bash)"                                  # in ~/.bashrc
  eval "$(sgt completion zsh)"                                   # in ~/.zshrc, after compinit
  sgt completion fish > ~/.config/fish/completions/sgt.fish"""
OF_MODELS = {("embed", "--model"), ("models", "name"), ("download", "name")}
"""Arguments that are the name of a model."""

BODY = """{name}() {{
  local word= taken= options= values= i
{begin}
  case "$word" in
{words}
  esac
  case "$word $prev" in
{takers}
  esac
{end}
}}
{register}
"""
BASH = {
    "begin": """  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} != -* ]]; then word="${COMP_WORDS[i]}"; break; fi
  done""",
    "end": """  if [[ -z $taken && $cur == -* ]]; then values="$options"; fi
  COMPREPLY=($(compgen -W "$values" -- "$cur"))""",
    "register": "complete -o default -F _sgt sgt",
}
ZSH = {
    "begin": """  local cur="${words[CURRENT]}" prev="${words[CURRENT-1]}"
  for ((i = 2; i < CURRENT; i++)); do
    if [[ ${words[i]} != -* ]]; then word="${words[i]}"; break; fi
  done""",
    "end": """  if [[ -z $taken && $cur == -* ]]; then values="$options"; fi
  if [[ -n $values ]]; then compadd -- ${=values}; else _files; fi""",
    "register": "compdef _sgt sgt",
}


@dataclass
class _Option:
    """An option of a command."""

    names: list[str]
    takes: bool
    values: list[str]
    text: str


@dataclass
class _Command:
    """What can follow a command; the first, without a name, is ``sgt`` itself."""

    name: str
    text: str = ""
    values: list[str] = field(default_factory=list)
    options: list[_Option] = field(default_factory=list)


def add(words: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    p = words.add_parser(
        "completion",
        help="print a script that completes `sgt` in your shell",
        epilog=f"examples:\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("shell", choices=list(SHELLS), help="the shell that is to complete")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the script."""
    print(SHELLS[args.shell](_commands(args.parser)), end="")


def _commands(parser: argparse.ArgumentParser) -> list[_Command]:
    (words,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    texts = {a.dest: a.help or "" for a in words._choices_actions}
    top = _command("", "", parser)
    top.values = list(words.choices)
    return [top, *(_command(name, texts.get(name, ""), p) for name, p in words.choices.items())]


def _command(name: str, text: str, parser: argparse.ArgumentParser) -> _Command:
    import scgnn_tools as sgt

    command = _Command(name, text)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        values = [str(c) for c in action.choices or ()]
        if OF_MODELS & {(name, o) for o in (*action.option_strings, action.dest)}:
            values = [str(n) for n in sgt.fm.list().index]
        if action.option_strings:
            option = _Option(list(action.option_strings), action.nargs != 0, values, action.help or "")
            command.options.append(option)
        else:
            command.values += values
    return command


def _posix(commands: list[_Command], shell: dict[str, str]) -> str:
    """Return the script for a shell that has functions and ``case``."""
    words, takers = [], []
    for c in commands:
        options = " ".join(n for o in c.options for n in o.names)
        words.append(f"    '{c.name}') options='{options}' values='{' '.join(c.values)}' ;;")
        for o in c.options:
            if o.takes:
                pattern = "|".join(f"'{c.name} {n}'" for n in o.names)
                takers.append(f"    {pattern}) taken=1 values='{' '.join(o.values)}' ;;")
    return BODY.format(name="_sgt", words="\n".join(words), takers="\n".join(takers), **shell)


def _fish(commands: list[_Command]) -> str:
    lines = []
    for c in commands:
        where = f"-n '__fish_seen_subcommand_from {c.name}'" if c.name else "-n __fish_use_subcommand"
        if c.name:
            lines.append(f"complete -c sgt -f -n __fish_use_subcommand -a {c.name} -d {_quoted(c.text)}")
            lines += [f"complete -c sgt -f {where} -a {_quoted(' '.join(c.values))}"] if c.values else []
        for o in c.options:
            names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in o.names)
            takes = f" -x -a {_quoted(' '.join(o.values))}" if o.values else " -r" if o.takes else ""
            lines.append(f"complete -c sgt {where} {names}{takes} -d {_quoted(o.text)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS: dict[str, Callable[[list[_Command]], str]] = {
    "bash": lambda commands: _posix(commands, BASH),
    "zsh": lambda commands: _posix(commands, ZSH),
    "fish": _fish,
}
"""The scripts, by shell."""
