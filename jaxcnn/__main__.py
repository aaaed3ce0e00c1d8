"""All commands in one: `jaxcnn COMMAND …`, or `python -m jaxcnn COMMAND …`.

`jaxcnn train …` is `python -m jaxcnn.main …`. Any other command is the module of its name. Only the
module of the given command is imported, because JAX alone takes seconds.
"""

import difflib
import runpy
import sys

import jaxcnn

# module and purpose by command
_COMMANDS = {
    "train": ("main", "Train a config, or resume its run."),
    "sweep": ("sweep", "Train a config with many seeds or settings at once."),
    "search": ("search", "Search settings for the best validation accuracy."),
    "evaluate": ("evaluate", "Evaluate a run on a split."),
    "predict": ("predict", "Classify pictures with a run's network."),
    "serve": ("serve", "Open a page that classifies pictures, and an endpoint for programs."),
    "compare": ("compare", "Compare runs in tables and plots."),
    "prepare": ("prepare", "Prepare a dataset, from its published files or by download."),
    "summary": ("summary", "Show the layers of a network, or list all networks."),
    "export": ("export", "Export a run's network for use without jaxcnn."),
    "find_lr": ("find_lr", "Suggest a learning rate."),
    "reproduce": ("reproduce", "Run a recipe with several seeds, and judge the result."),
    "speedrun": ("speedrun", "Time many runs, each one compiled program."),
}
_HELP = {"-h", "-help", "--help", "help"}
_WRONG = 2  # the exit code of `UserError`


def main() -> int | None:
    """Run the command that the first argument names, with the other arguments."""
    jaxcnn.end_at_ctrl_c()
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name == "--version":
        print(f"jaxcnn {jaxcnn.__version__}")
    elif name in _HELP:
        print(_overview())
    elif not name:
        print(_overview(), file=sys.stderr)
        return _WRONG
    elif (command := name.replace("-", "_")) in _COMMANDS:
        del sys.argv[1]
        module, _ = _COMMANDS[command]
        runpy.run_module(f"jaxcnn.{module}", run_name="__main__", alter_sys=True)
    else:
        print(f"error: {_refuse(name)}", file=sys.stderr)
        return _WRONG
    return None


def _overview() -> str:
    lines = ["jaxcnn COMMAND [FLAGS], where COMMAND is one of:", ""]
    lines += [f"  {name:10}{purpose}" for name, (_, purpose) in _COMMANDS.items()]
    return "\n".join([*lines, "", "`jaxcnn COMMAND --help` lists the flags of a command."])


def _refuse(name: str) -> str:
    """Return the message for an argument that is no command."""
    if name.startswith("-"):
        return f"{name!r} is no command; flags follow one, such as in jaxcnn train {name}"
    close = difflib.get_close_matches(name, _COMMANDS)
    guess = f"did you mean {' or '.join(close)}" if close else "jaxcnn --help lists them"
    return f"there is no command {name!r}; {guess}{'?' if close else ''}"


if __name__ == "__main__":
    sys.exit(main())
