"""check_gradients, check_parameters: what is not finite in a model is told of by the name that the model gives it."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from optional import require
from refusals import kind_of, refused

import fastfinite as ff

torch = require("torch")
pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = float("nan"), float("inf")
BOTH = pytest.mark.parametrize("check", [ff.check_parameters, ff.check_gradients])


def model():
    layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    for parameter in layers.parameters():
        parameter.grad = torch.zeros_like(parameter)
    return layers


def spoil(tensor, value=nan):
    """Put a bad value at the end of a tensor."""
    with torch.no_grad():
        tensor.view(-1)[-1] = value
    return tensor


def paths(check, thing):
    return [finding.path for finding in refused(check, thing).findings]


# ---- modules -----------------------------------------------------------------------------------------


def test_a_finite_model_passes_with_a_report():
    report = ff.check_parameters(model())
    # Of two linear layers a weight and a bias each; of the norm these, its mean, its variance and its counter.
    assert type(report) is ff.BatchReport and report and report.not_scanned == {}
    assert (report.arrays, report.bytes) == (9, 4 * (12 + 4 + 4 + 4 + 4 + 4 + 4 + 1) + 8)
    report = ff.check_gradients(model())
    assert report and report.not_scanned == {} and (report.arrays, report.bytes) == (6, 4 * (12 + 4 + 4 + 4 + 4 + 1))


def test_a_bad_parameter_is_named():
    layers = model()
    spoil(layers[2].weight, inf)
    error = refused(ff.check_parameters, layers)
    assert str(error) == (
        "parameters: 2.weight (1 x 4 float32) has 1 non-finite value: 1 +inf; first +inf at row 0, column 3"
    )
    assert error.path == "2.weight" and error.report == ff.scan(layers[2].weight) and len(error.findings) == 1


def test_a_bad_gradient_is_named():
    layers = model()
    spoil(layers[0].bias.grad)
    error = refused(ff.check_gradients, layers)
    assert str(error) == "gradients: 0.bias (4 float32) has 1 non-finite value: 1 nan; first nan at index 3"
    assert error.path == "0.bias" and error.report == ff.scan(layers[0].bias.grad)


def test_all_that_is_bad_is_found_in_the_order_of_the_model():
    layers = model()
    for parameter in layers.parameters():
        spoil(parameter)
        spoil(parameter.grad)
    names = [name for name, _ in layers.named_parameters()]
    assert paths(ff.check_parameters, layers) == paths(ff.check_gradients, layers) == names
    assert str(refused(ff.check_gradients, layers)).endswith("; also in 0.bias, 1.weight, 1.bias, 2.weight, 2.bias")


def test_buffers_are_parameters():
    layers = model()
    spoil(layers[1].running_var)
    assert paths(ff.check_parameters, layers) == ["1.running_var"] and ff.check_gradients(layers)
    layers[1].register_buffer("hidden", torch.tensor([inf]), persistent=False)
    assert paths(ff.check_parameters, layers) == ["1.running_var", "1.hidden"]


def test_parameters_of_one_model_do_not_spoil_its_gradients():
    layers = model()
    spoil(layers[0].weight)
    assert ff.check_gradients(layers)
    spoil(layers[2].weight.grad)
    assert paths(ff.check_parameters, layers) == ["0.weight"] and paths(ff.check_gradients, layers) == ["2.weight"]


def test_frozen_parameters_are_checked_and_need_no_gradient():
    layers = model()
    layers.requires_grad_(False).zero_grad()
    layers[2].requires_grad_(True)
    report = ff.check_gradients(layers)
    needless = dict.fromkeys(["0.weight", "0.bias", "1.weight", "1.bias"], "it has no gradient, and needs none")
    assert report.not_scanned == needless | dict.fromkeys(["2.weight", "2.bias"], "it has no gradient")
    # Where nothing was looked at, nothing is called finite.
    assert report.arrays == 0 and not report
    spoil(layers[0].weight)
    assert paths(ff.check_parameters, layers) == ["0.weight"]


def test_missing_gradients_are_listed_and_no_error():
    layers = model()
    layers[0].weight.grad = None
    report = ff.check_gradients(layers)
    assert report and report.not_scanned == {"0.weight": "it has no gradient"} and report.arrays == 5


def test_a_module_without_parameters_is_finite():
    assert ff.check_parameters(torch.nn.ReLU()).arrays == 0 and ff.check_gradients(torch.nn.ReLU()).arrays == 0


def test_shared_parameters_are_checked_once():
    tied = torch.nn.Module()
    tied.a = torch.nn.Linear(2, 2)
    tied.b = tied.a
    spoil(tied.a.weight)
    assert paths(ff.check_parameters, tied) == ["a.weight"]


def test_more_bad_parameters_than_a_message_holds_are_all_findings():
    layers = torch.nn.ParameterList([torch.full((2,), nan) for _ in range(20)])
    error = refused(ff.check_parameters, layers)
    assert [finding.path for finding in error.findings] == [str(i) for i in range(20)]
    assert str(error).endswith("also in 1, 2, 3, 4, 5, 6, 7, 8, ...")


# ---- formats and layouts -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64", "complex64"])
def test_models_of_every_format_are_checked(dtype):
    zeros = torch.zeros((2, 2), dtype=getattr(torch, dtype))
    layer = torch.nn.ParameterDict({"weight": zeros, "bias": zeros[0].clone()})
    layer.weight.grad, layer.bias.grad = zeros.clone(), zeros[0].clone()
    assert ff.check_parameters(layer).arrays == ff.check_gradients(layer).arrays == 2
    spoil(layer.bias, inf)
    spoil(layer.weight.grad)
    error = refused(ff.check_parameters, layer)
    assert error.path == "bias" and error.report.dtype == dtype and error.report.posinf == 1
    assert refused(ff.check_gradients, layer).report.first == (1, 1)


def test_sparse_gradients_are_checked():
    layer = torch.nn.Embedding(5, 2, sparse=True)
    # Row 3 is used twice: its gradient comes in two parts, which add up.
    layer(torch.tensor([3, 1, 3])).sum().backward()
    assert layer.weight.grad.is_sparse and ff.check_gradients(layer).arrays == 1
    layer.weight.grad = layer.weight.grad * inf
    error = refused(ff.check_gradients, layer)
    assert error.path == "weight" and error.report.posinf == 4 and error.report.first == (1, 0)
    assert error.report.shape == (5, 2) and error.sample == 1


def test_gradients_that_become_inf_when_added_up_are_found():
    layer = torch.nn.Embedding(5, 1, sparse=True)
    rows = torch.tensor([[2, 2]])
    layer.weight.grad = torch.sparse_coo_tensor(rows, torch.full((2, 1), 3e38), (5, 1), check_invariants=True)
    assert refused(ff.check_gradients, layer).report.first == (2, 0)


def test_a_parameter_without_values_is_listed():
    report = ff.check_parameters(torch.nn.Linear(2, 2, device="meta"))
    assert report.arrays == 0 and list(report.not_scanned) == ["weight", "bias"]


# ---- other holders of tensors ------------------------------------------------------------------------


def test_a_state_dict_is_checked_by_its_names():
    layers = model()
    assert ff.check_parameters(layers.state_dict()).arrays == 9
    spoil(layers[1].running_mean)
    assert paths(ff.check_parameters, layers.state_dict()) == ["1.running_mean"]


def test_the_state_of_an_optimizer_is_checked():
    layer = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    assert ff.check_parameters(optimizer.state_dict())
    spoil(optimizer.state[layer.weight]["exp_avg_sq"], inf)
    assert paths(ff.check_parameters, optimizer.state_dict()) == ["state[0].exp_avg_sq"]


def test_names_with_other_signs_stay_as_they_are():
    assert str(refused(ff.check_parameters, {"layer-1.weight": spoil(torch.zeros(2))})) == (
        "parameters: layer-1.weight (2 float32) has 1 non-finite value: 1 nan; first nan at index 1"
    )


def test_an_optimizer_is_checked_by_group_and_number():
    layers = model()
    groups = [{"params": layers[0].parameters()}, {"params": layers[2].parameters(), "lr": 0.1}]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    assert ff.check_parameters(optimizer).arrays == ff.check_gradients(optimizer).arrays == 4
    spoil(layers[2].bias)
    spoil(layers[0].weight.grad)
    assert str(refused(ff.check_parameters, optimizer)).startswith("parameters: groups[1][1] (1 float32) has")
    assert str(refused(ff.check_gradients, optimizer)).startswith("gradients: groups[0][0] (4 x 3 float32) has")


def test_an_optimizer_that_has_names_is_checked_by_them():
    layers = model()
    optimizer = torch.optim.SGD(layers.named_parameters(), lr=1.0)
    if "param_names" not in optimizer.param_groups[0]:
        pytest.skip("this version of PyTorch does not keep the names")
    spoil(layers[2].bias.grad)
    assert paths(ff.check_gradients, optimizer) == ["2.bias"]


@pytest.mark.parametrize("gather", [list, tuple, iter, lambda parameters: (p for p in parameters)])
def test_tensors_without_names_are_checked_by_number(gather):
    layers = model()
    spoil(layers[0].bias)
    spoil(layers[0].bias.grad)
    assert str(refused(ff.check_parameters, gather(layers.parameters()))).startswith("parameters: [1] (4 float32) has")
    assert str(refused(ff.check_gradients, gather(layers.parameters()))).startswith("gradients: [1] (4 float32) has")


@pytest.mark.parametrize("gather", [list, iter])
def test_pairs_of_name_and_tensor_are_checked_by_name(gather):
    layers = model()
    spoil(layers[0].bias)
    spoil(layers[2].bias.grad)
    assert paths(ff.check_parameters, gather(layers.named_parameters())) == ["0.bias"]
    assert paths(ff.check_gradients, gather(layers.named_parameters())) == ["2.bias"]


@BOTH
def test_pairs_of_one_name_are_all_checked(check):
    # As those of two models in one list have.
    first, second = model(), model()
    spoil(first[0].weight)
    spoil(first[0].weight.grad)
    assert len(paths(check, [*first.named_parameters(), *second.named_parameters()])) == 1
    assert len(paths(check, [*second.named_parameters(), *first.named_parameters()])) == 1


def test_arrays_are_checked_as_tensors_are():
    assert ff.check_parameters([np.ones(2), 1.0]).arrays == 2
    assert paths(ff.check_parameters, {"fc": {"w": np.array([nan])}}) == ["fc.w"]
    weight = SimpleNamespace(grad=np.array([0.0, -inf]), requires_grad=True)
    assert refused(ff.check_gradients, {"w": weight}).report.neginf == 1
    missing = SimpleNamespace(grad=None)
    assert ff.check_gradients([missing, SimpleNamespace(grad=None, requires_grad=False)]).not_scanned == {
        "[0]": "it has no gradient", "[1]": "it has no gradient, and needs none"
    }


@BOTH
@pytest.mark.parametrize("empty", [[], {}, iter([])], ids=kind_of)
def test_nothing_is_finite(check, empty):
    assert check(empty).arrays == 0


# ---- arguments ---------------------------------------------------------------------------------------


@BOTH
def test_the_message_begins_with_the_name(check):
    layers = model()
    spoil(layers[0].bias)
    spoil(layers[0].bias.grad)
    assert str(refused(check, layers, name="generator")).startswith("generator: 0.bias (4 float32) has 1 non-finite")


@BOTH
@pytest.mark.parametrize("thing", [None, 3, torch.ones(2), torch.nn.Parameter(torch.ones(2)), np.ones(2)], ids=kind_of)
def test_what_holds_no_tensors_is_refused(check, thing):
    with pytest.raises(TypeError, match=f"must be a module, an optimizer, .*, not {type(thing).__name__}"):
        check(thing)


@BOTH
@pytest.mark.parametrize("text", ["weight", b"weight"], ids=repr)
def test_text_is_refused(check, text):
    with pytest.raises(TypeError):
        check(text)


def test_what_has_no_gradient_is_refused():
    with pytest.raises(TypeError, match="w has no gradient: it is of type ndarray"):
        ff.check_gradients({"w": np.ones(2)})
    with pytest.raises(TypeError, match=r"\[1\] has no gradient: it is of type float"):
        ff.check_gradients([torch.ones(1), 1.0])


def test_the_error_survives_pickle():
    layers = model()
    spoil(layers[0].bias)
    error = refused(ff.check_parameters, layers)
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.path, twin.report, twin.findings) == ("0.bias", error.report, error.findings)


# ---- training ----------------------------------------------------------------------------------------


def test_a_step_whose_gradients_are_inf_is_stopped():
    layer = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()
    before = layer.weight.clone()
    loss = layer(torch.ones(2, 3)).sqrt().sum()       # the slope of a root at 0 is inf, though the loss is 0
    loss.backward()
    assert loss.item() == 0
    error = refused(ff.check_gradients, layer)
    assert [finding.path for finding in error.findings] == ["weight", "bias"] and error.report.posinf == 3
    assert ff.check_parameters(layer) and torch.equal(layer.weight, before)
    optimizer.step()
    assert paths(ff.check_parameters, layer) == ["weight", "bias"]


def test_a_step_whose_gradients_are_finite_goes_on():
    layer = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(torch.ones(2, 3)).square().mean().backward()
    gradients = [parameter.grad.clone() for parameter in layer.parameters()]
    assert ff.check_gradients(layer).arrays == 2 and ff.check_gradients(optimizer).arrays == 2
    assert all(torch.equal(mine, parameter.grad) for mine, parameter in zip(gradients, layer.parameters()))
    optimizer.step()
    assert ff.check_parameters(layer) and all(parameter.requires_grad for parameter in layer.parameters())


def test_a_tensor_between_the_leaves_keeps_no_gradient():
    between = torch.nn.Linear(3, 1)(torch.ones(2, 3))
    assert ff.check_gradients({"h": between}).not_scanned == {"h": "it is no leaf, and keeps no gradient"}
    between.retain_grad()
    between.sum().backward()
    assert ff.check_gradients({"h": between}).arrays == 1
