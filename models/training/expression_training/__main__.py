"""python -m expression_training COMMAND --help"""

import argparse
import importlib
import sys

from .labels import DataError

COMMANDS = {
    "gather": "the set of the shipped model, from the folders it comes from",
    "prepare": "clean, group and split a set of pictures; look at it on a contact sheet",
    "label": "fill the classes of boxes that have none, with a teacher",
    "train": "train a network on a YOLO-format set (resumable)",
    "export": "checkpoint to int8 .tflite and side-car JSON",
    "evaluate": "measure models: daylight, low light, small faces, false alarms",
    "scenes": "measure models on whole scenes: faces by size, classes, false alarms",
    "compare": "what each choice of the export costs and brings",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="expression_training",
        description="From pictures with boxes and classes to a detector that expressiond runs: "
        "prepare, train, export and evaluate, in this order, and what else helps.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text, add_help=False)
    args, rest = parser.parse_known_args()
    # imported only now: torch takes seconds that --help need not wait for
    module = importlib.import_module(f".{args.command}", __package__)
    command = argparse.ArgumentParser(
        prog=f"expression_training {args.command}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(command)
    try:
        module.run(command.parse_args(rest))
    except (DataError, OSError) as error:  # an OSError names its file
        sys.exit(f"expression_training {args.command}: {error}")


if __name__ == "__main__":
    main()
