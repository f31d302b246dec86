"""`completion` and `manual`: made of the parser itself."""

from __future__ import annotations

from bot.command_line.parsers.parser import Commands


def add_shell(commands: Commands) -> None:
    completion = commands.add(
        "completion",
        "completion:show",
        "Print what a shell needs to complete our commands and options with the tabulator key.",
        examples=[
            "completion bash > ~/.local/share/bash-completion/completions/afterimage",
            "completion zsh > ~/.zfunc/_afterimage",
            "completion fish > ~/.config/fish/completions/afterimage.fish",
        ],
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")
    manual = commands.add(
        "manual",
        "manual:show",
        "Print every command with its options: as a man page, or as Markdown.",
        examples=["manual > afterimage.1", "manual | man -l -", "manual --markdown"],
    )
    manual.add_argument("--markdown", action="store_true", help="as docs/commands.md has it")
