"""The page on data loaders is true: its callbacks work in the frameworks they are for (its examples: test_docs.py)."""

import re
from pathlib import Path

import pytest
from optional import require

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "data_loaders.md"
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}


def block(first_words):
    """The code of the page that begins with these words."""
    found = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (code,) = [text for text in found if text.startswith(first_words)]
    return code


@pytest.fixture
def run_with(run_python):
    """Run code in a new process where these libraries are; their own imports may warn, and start threads."""

    def run(libraries, code):
        for library in libraries:
            require(library, load=False)
        lenient = "import warnings; warnings.resetwarnings(); warnings.simplefilter('ignore')\n"
        return run_python(lenient + code, **QUIET)

    return run


LIGHTNING = """
import lightning, torch, fastfinite as ff
from torch.utils.data import DataLoader, TensorDataset
%s
class Model(lightning.LightningModule):
    def __init__(self, scale):
        super().__init__()
        self.layer, self.scale = torch.nn.Linear(2, 1), scale
    def training_step(self, batch, index):
        return (self.layer(batch[0]) * self.scale).sum()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)

def fit(x, scale):
    trainer = lightning.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
                                enable_model_summary=False, accelerator="cpu", callbacks=[CheckFinite()])
    trainer.fit(Model(scale), DataLoader(TensorDataset(x), batch_size=2))

x = torch.ones(6, 2)
fit(x, 1.0)
for data, scale in ((x.index_fill(0, torch.tensor([3]), torch.nan), 1.0), (x, torch.inf)):
    try:
        fit(data, scale)
    except ff.NonFiniteError as error:
        print(error.path, error.sample)
"""


def test_the_callback_of_lightning_finds_a_batch_and_a_gradient(run_with):
    printed = run_with(("torch", "lightning"), LIGHTNING % block("class CheckFinite(lightning.Callback)"))
    assert printed.splitlines()[-2:] == ["[0] 1", "layer.weight 0"]


KERAS = """
import keras, numpy as np, fastfinite as ff
%s
model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1, name="last")])
model.compile("sgd", "mse")
model.fit(np.ones((4, 2)), np.ones(4), verbose=0, callbacks=[CheckFinite()])
try:
    model.fit(np.full((4, 2), np.inf), np.ones(4), verbose=0, callbacks=[CheckFinite()])
except ff.NonFiniteError as error:
    print(error)
"""


def test_the_callback_of_keras_finds_a_weight(run_with):
    printed = run_with(("tensorflow", "keras"), KERAS % block("class CheckFinite(keras.callbacks.Callback)"))
    assert "last/kernel" in printed.splitlines()[-1]
