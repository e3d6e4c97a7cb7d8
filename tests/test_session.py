"""Session: equal bytes over every option, its arguments, its life."""

import os
import pickle
import signal
import threading

import numpy as np
import pytest
from intq import InputError, Model, Session
from intq.graph import Graph, Port, State
from intq.kernel_api import isas
from intq.ops.elementwise import Add
from intq.ops.move import Reshape
from intq.selftest import network

MODEL = Model(network())
X = np.random.default_rng(3).uniform(-3, 3, (7, 3, 24, 24)).astype(np.float32)
EXPECTED = Session(MODEL, backend="reference").run(X)
USABLE = [name for name, (usable, _) in isas().items() if usable]


@pytest.mark.parametrize("isa", USABLE)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 2, 7, 16])
def test_same_bytes(isa: str, threads: int, batch: int) -> None:
    session = Session(MODEL, isa=isa, threads=threads, batch=batch, backend="native")
    assert np.array_equal(session.run(X), EXPECTED)
    assert np.array_equal(session.run(X[:3]), EXPECTED[:3])


def test_numba_and_batches_of_the_reference() -> None:
    pytest.importorskip("numba")
    assert np.array_equal(Session(MODEL, backend="numba", batch=4).run(X), EXPECTED)
    assert np.array_equal(Session(MODEL, backend="reference", batch=3).run(X), EXPECTED)


def test_environment_caps_the_isa(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTQ_ISA", "scalar")
    assert all("scalar" in kernel for _, kernel in Session(MODEL).kernels())
    monkeypatch.setenv("INTQ_ISA", "sse9")
    with pytest.raises(InputError, match="sse9"):
        Session(MODEL)


def test_quantized_and_zero_copy_agree_with_run() -> None:
    session = Session(MODEL)
    info = session.inputs[0]
    assert (info.dtype, info.shape, info.layout, info.zero_point) == ("int8", (1, 24, 24, 3), "NHWC", 5)
    q = np.clip(np.rint(X * (np.float32(1) / np.float32(info.scale))) + info.zero_point, -128, 127).astype(np.int8).transpose(0, 2, 3, 1)
    yq = session.run_quantized(q)
    out = session.outputs[0]
    assert np.array_equal((yq.astype(np.float32) - out.zero_point) * np.float32(out.scale), EXPECTED)
    session.input_buffer(0)[...] = q[:1]
    session.invoke()
    assert np.array_equal(session.output_buffer(0), yq[:1])


def test_arguments_are_checked() -> None:
    session = Session(MODEL)
    wrong = (X[:, :2], X[0], "text", [[1.0]], {"y": X}, {1: X, "x": X}, np.full_like(X, np.nan))
    for bad in wrong:
        with pytest.raises(InputError):
            session.run(bad)
    for bad in (np.zeros((1, 24, 24, 3), np.uint8), np.zeros((1, 3, 24, 24), np.int8), np.zeros((24, 24, 3), np.int8)):
        with pytest.raises(InputError):
            session.run_quantized(bad)
    for options in ({"threads": 0}, {"threads": 1000}, {"batch": 0}, {"backend": "gpu"}, {"isa": "mmx"}, {"threads": 1.5}):
        with pytest.raises(InputError):
            Session(MODEL, **options)
    assert np.array_equal(session.run(X), EXPECTED), "a refused call leaves the session usable"


def test_empty_and_odd_arrays() -> None:
    session = Session(MODEL, batch=4)
    assert session.run(X[:0]).shape == (0, 10)
    assert np.array_equal(session.run(X[::-1]), EXPECTED[::-1])
    assert np.array_equal(session.run(X.astype(np.float64)), EXPECTED)
    assert np.array_equal(session.run(np.asfortranarray(X)), EXPECTED)


def test_one_sample_in_every_form() -> None:
    """A dense float32 sample takes a short way through `run`; whatever is not one gives the same floats or the same error."""
    session, one, reversed_columns = Session(MODEL), X[:1], np.ascontiguousarray(X[:1, ..., ::-1])[..., ::-1]
    read_only = one.copy()
    read_only.flags.writeable = False
    swapped = one.astype(one.dtype.newbyteorder())
    others = (one.astype(np.float64), np.asfortranarray(one), one.tolist(), one.view(np.recarray), {"x": one})
    for x in (one, read_only, reversed_columns, swapped, *others):
        y = session.run(x)
        assert y.dtype == np.float32
        assert np.array_equal(y, EXPECTED[:1])
    first = session.run(one)
    session.run(X[1:2])
    assert np.array_equal(first, EXPECTED[:1]), "results are the caller's, not the session's"
    bad = one.copy()
    bad[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        session.run(bad)
    assert np.array_equal(session.run(one), EXPECTED[:1]), "a refused sample leaves the session usable"


def test_clone_pickle_and_threads_share_nothing_that_moves() -> None:
    session = Session(MODEL, threads=2)
    twin, copy = session.clone(), pickle.loads(pickle.dumps(session))
    assert copy.options == session.options
    results: dict[int, np.ndarray] = {}

    def run(i: int) -> None:
        results[i] = [session, twin, copy, session][i].run(X)

    workers = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert all(np.array_equal(r, EXPECTED) for r in results.values())
    assert len(results) == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_session_survives_a_fork() -> None:
    session = Session(MODEL, threads=2)
    session.run(X)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(session.run(X), EXPECTED) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(session.run(X), EXPECTED)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_fork_while_another_thread_runs() -> None:
    """The child has no thread that could give back the session's lock."""
    session, stop = Session(MODEL, threads=2), threading.Event()

    def spin() -> None:
        while not stop.is_set():
            session.run(X)

    other = threading.Thread(target=spin)
    other.start()
    try:
        for _ in range(8):
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                os._exit(0 if np.array_equal(session.run(X), EXPECTED) else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        other.join()


BAD = [np.zeros(X.shape, complex), np.zeros(X.shape, "M8[s]"), np.full(X.shape, "1"), [1, [2]], np.array(object()), None, "x", {}, {"x": None}]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: str(getattr(bad, "dtype", bad)))
def test_what_is_no_array_of_numbers(bad: object) -> None:
    for run in (Session(MODEL).run, Session(MODEL).run_quantized):
        with pytest.raises(InputError):
            run(bad)


def test_profile_names_every_node() -> None:
    rows = Session(MODEL).profile(X)
    assert [r.node for r in rows] == [n.name for n in MODEL.graph.nodes]
    assert all(r.ns >= 0 and r.kernel for r in rows)
    assert sum(r.macs for r in rows) == MODEL.macs


def counter(first: str = "state") -> Model:
    """y = x + state; the state becomes y."""
    g = Graph("counter")
    g.tensor("x", (1, 4))
    g.tensor(first, (1, 4))
    g.tensor("y", (1, 4))
    g.node(Add(m1=2, m2=2, shift=1), ["x", first], ["y"])
    g.inputs = [Port(name="x", tensor="x", shape=(1, 4), perm=(0, 1))]
    g.outputs = [Port(name="y", tensor="y", shape=(1, 4), perm=(0, 1))]
    g.states = [State(read=first, write="y")]
    return Model(g)


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_state_is_kept_and_reset(backend: str) -> None:
    session = Session(counter(), backend=backend, batch=8)
    x = np.ones((3, 4), np.int8)
    assert session.run_quantized(x)[:, 0].tolist() == [1, 2, 3]
    assert session.clone().run_quantized(x)[:, 0].tolist() == [1, 2, 3]
    assert session.run_quantized(x)[:, 0].tolist() == [4, 5, 6]
    session.reset()
    assert session.run_quantized(x)[:, 0].tolist() == [1, 2, 3]


def test_an_output_that_is_an_input_or_an_alias() -> None:
    g = Graph("alias")
    g.tensor("x", (1, 2, 3))
    g.tensor("y", (1, 6))
    g.node(Reshape(), ["x"], ["y"])
    g.inputs = [Port(name="x", tensor="x", shape=(1, 2, 3), perm=(0, 1, 2))]
    g.outputs = [Port(name="same", tensor="x", shape=(1, 2, 3), perm=(0, 1, 2)), Port(name="flat", tensor="y", shape=(1, 6), perm=(0, 1))]
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    for backend in ("native", "reference"):
        result = Session(Model(g), backend=backend).run(x)
        assert np.array_equal(result["same"], x)
        assert np.array_equal(result["flat"], x.reshape(2, 6))


def test_without_the_compiled_kernels_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never silently slower."""
    import intq.session

    monkeypatch.setattr(intq.session, "have_native", lambda: False)
    with pytest.warns(UserWarning, match="install one"):
        assert Session(Model(network())).options["backend"] in ("numba", "reference")
    with pytest.raises(InputError, match="compiled kernels are missing"):
        Session(Model(network()), backend="native")


def with_outputs(*outputs: tuple[str, tuple[int, ...]]) -> Model:
    """x[1, 10] as it is (`y`), without its first axis (`flat`), and constants that are outputs (`row`, `list`)."""
    g = Graph("outputs")
    g.tensor("x", (1, 10))
    for name, shape in (("y", (1, 10)), ("flat", (10,))):
        g.tensor(name, shape)
        g.node(Reshape(), ["x"], [name])
    g.constant("row", np.arange(10, dtype=np.int8)[None])
    g.constant("list", np.arange(10, dtype=np.int8))
    g.inputs = [Port(name="x", tensor="x", shape=(1, 10), perm=(0, 1))]
    g.outputs = [Port(name=name, tensor=name, shape=shape, perm=tuple(range(len(shape)))) for name, shape in outputs]
    return Model(g)


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize("batch", [1, 4])
def test_outputs_without_a_batch_axis(backend: str, batch: int) -> None:
    """One sample gives them whole; several would need an axis to lie along."""
    session = Session(with_outputs(("flat", (10,))), backend=backend, batch=batch)
    x = np.arange(10, dtype=np.int8)[None]
    assert session.run(x).tolist() == session.run_quantized(x).tolist() == x[0].tolist()
    for count in (0, 2, 3):
        with pytest.raises(InputError, match="fixes its batch"):
            session.run(np.zeros((count, 10)))
        with pytest.raises(InputError, match="fixes its batch"):
            session.run_quantized(np.zeros((count, 10), np.int8))


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize("batch", [1, 4])
def test_constants_as_outputs(backend: str, batch: int) -> None:
    session = Session(with_outputs(("y", (1, 10)), ("row", (1, 10)), ("list", (1, 10))), backend=backend, batch=batch)
    for count in (1, 3):
        x = np.arange(10 * count, dtype=np.int8).reshape(count, 10)
        found = session.run(x)
        assert found["y"].tolist() == x.tolist()
        assert found["row"].tolist() == found["list"].tolist() == [list(range(10))] * count
    found = session.run_quantized(x[:1])
    assert [found[name].tolist() for name in ("y", "row", "list")] == [x[:1].tolist(), [list(range(10))], list(range(10))]
    with pytest.raises(InputError, match="fixes its batch"):
        session.run_quantized(x)
