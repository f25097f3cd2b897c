"""The list of the zoo for people: `python -m tests.zoo.exporters.listing` writes `README.md` from `networks.json`."""

from tests.zoo import FOLDER, facts

_HEAD = """\
# Networks that nobody wrote for these tests

Real architectures with random weights, each exported by its own tools, then stripped: a large tensor keeps its name,
type and shape and loses its numbers (`stripping.py`). `tests.zoo.network(name)` draws others, so that ONNX Runtime runs
the network and signals neither vanish nor explode. Small tensors (shapes, axes, scales) are the exporter's own.

`networks.json` says of each what its own framework counts: parameters, multiply-accumulates, the shapes of its outputs;
and where the file holds another number of learned values than the framework trains, why, and by how much. The tests
hold the table to these numbers and to ONNX Runtime (`tests/service/inspection/shapes/test_zoo.py`).

To make one again: an environment from `exporters/requirements/<exporter>.txt`, then the command in the first line of
`exporters/<exporter>_networks.py`. MXNet and Chainer need Python 3.8 and 3.9: theirs write into a folder, and
`python -m tests.zoo.exporters.take FOLDER` takes it from there. `python -m tests.zoo.exporters.listing` writes this
list.

"""


def listing() -> str:
    families = sorted({str(each["family"]) for each in facts().values()})
    exporters = sorted({str(each["exporter"]).split(" ")[0] for each in facts().values()})
    count = (
        f"{len(facts())} networks, {len(families)} families, {len(exporters)} exporters: "
        + ", ".join(exporters)
        + ".\n\n"
    )
    rows = ["| network | family | source | exporter | opset | input | parameters | MACs | the file differs |"]
    rows.append("|---|---|---|---|---:|---|---:|---:|---|")
    for name, each in facts().items():
        size = "x".join(map(str, each["input_shape"]))
        why = "; ".join(f"{reason['what']} ({reason['parameters']:+,})" for reason in each["differences"])
        macs = "" if each["macs"] is None else f"{each['macs']:,}"
        parameters = f"{each['trainable_parameters']:,}"
        cells = (name, each["family"], each["source"], each["exporter"], each["opset"], size, parameters, macs, why)
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return _HEAD + count + "\n".join(rows) + "\n"


if __name__ == "__main__":
    (FOLDER / "README.md").write_text(listing())
