"""The peer that speed is measured against: the paper's layered model in PyTorch, without any rewrite.

    pip install torch==2.13.0                                   # in an environment of its own
    python benchmarks/peer_torch.py train --batch=32 --channels_last
    python benchmarks/peer_torch.py generate --batch=1

It imports nothing of this project, and prints one JSON line: `seconds`, the median time of a training step or of
drawing a batch.
"""

import argparse
import contextlib
import json
import statistics
import time

import torch
from torch import nn

ATTRIBUTES, Z_FOREGROUND, Z_BACKGROUND = 73, 192, 64


def conv(before, after, size, *, stride=1, norm=True, pool=False, up=False):
    """A convolution as the paper has it, after nearest upsampling or before max pooling where asked for."""
    parts = [nn.UpsamplingNearest2d(scale_factor=2)] if up else []
    parts.append(nn.Conv2d(before, after, size, stride, padding=size // 2))
    parts += [nn.BatchNorm2d(after)] if norm else []
    parts.append(nn.ReLU())
    parts += [nn.MaxPool2d(2)] if pool else []
    return nn.Sequential(*parts)


def encoder(widths):
    """A picture to features: four convolutions, one over all that is left, a dense layer with dropout."""
    return nn.Sequential(
        conv(3, widths[0], 5, norm=False, pool=True), conv(widths[0], widths[1], 5, pool=True),
        conv(widths[1], widths[2], 3, pool=True), conv(widths[2], widths[3], 3, stride=2),
        nn.Conv2d(widths[3], widths[4], 4), nn.ReLU(), nn.Flatten(),
        nn.Linear(widths[4], widths[4]), nn.ReLU(), nn.Dropout(0.5))


def dense(before, after):
    return nn.Sequential(nn.Linear(before, after), nn.ReLU())


class Layered(nn.Module):
    """disCVAE of the paper's size."""

    def __init__(self):
        super().__init__()
        self.see_foreground, self.see_picture = encoder((64, 128, 256, 256, 1024)), encoder((64, 64, 64, 64, 256))
        self.see_attributes = dense(ATTRIBUTES, Z_FOREGROUND)
        self.foreground_mean = nn.Linear(1024 + Z_FOREGROUND, Z_FOREGROUND)
        self.foreground_spread = nn.Linear(1024, Z_FOREGROUND)
        self.background = dense(256 + ATTRIBUTES + Z_FOREGROUND, 256)
        self.background_mean, self.background_spread = nn.Linear(256, Z_BACKGROUND), nn.Linear(256, Z_BACKGROUND)
        self.told = dense(ATTRIBUTES, 2 * Z_FOREGROUND)
        self.start = nn.Sequential(dense(3 * Z_FOREGROUND, 256), dense(256, 256 * 64))
        self.face = nn.Sequential(conv(256, 256, 3), conv(256, 256, 5, up=True), conv(256, 128, 5, up=True),
                                  conv(128, 64, 5, up=True))
        self.colours, self.gate = nn.Conv2d(64, 3, 5, padding=2), nn.Conv2d(64, 1, 5, padding=2)
        self.behind = nn.Sequential(
            dense(Z_BACKGROUND, 256 * 4), nn.Unflatten(1, (256, 2, 2)), conv(256, 128, 3, up=True),
            conv(128, 128, 3, up=True), conv(128, 64, 3, up=True), conv(64, 64, 3), conv(64, 64, 3, up=True),
            conv(64, 64, 3), conv(64, 32, 5, up=True), nn.Conv2d(32, 3, 5, padding=2), nn.Tanh())

    def draw(self, front, back, y):
        """x_F, the gate's logits and x."""
        grid = self.face(self.start(torch.cat([front, self.told(y)], 1)).unflatten(1, (256, 8, 8)))
        foreground, logits = torch.tanh(self.colours(grid)), self.gate(grid)
        return foreground, logits, foreground + torch.sigmoid(logits) * self.behind(back)

    def loss(self, x, mask, y):
        """The negative bound with one deviation of 1, a mean over the batch."""
        seen = self.see_foreground(x * mask)
        front = self.foreground_mean(torch.cat([seen, self.see_attributes(y)], 1)), self.foreground_spread(seen)
        z_front = sample(*front)
        joint = self.background(torch.cat([self.see_picture(x), y, z_front], 1))
        back = self.background_mean(joint), self.background_spread(joint)
        foreground, logits, picture = self.draw(z_front, sample(*back), y)
        likelihood = ((picture - x) ** 2).sum() / 2 + ((foreground - x * mask) ** 2).sum() / 2
        gate = nn.functional.binary_cross_entropy_with_logits(logits, 1 - mask, reduction="sum")
        return (likelihood + 0.3 * gate + divergence(*front) + divergence(*back)) / len(x)


def sample(mean, log_variance):
    return mean + torch.randn_like(mean) * torch.exp(log_variance / 2)


def divergence(mean, log_variance):
    return (mean ** 2 + log_variance.exp() - log_variance - 1).sum() / 2


def work(kind, model, batch, memory_format):
    """A function that does one unit of work."""
    y = torch.randn(batch, ATTRIBUTES)
    if kind == "generate":
        front, back = torch.randn(batch, Z_FOREGROUND), torch.randn(batch, Z_BACKGROUND)
        model.eval()
        return torch.inference_mode()(lambda: model.draw(front, back, y))
    x = torch.rand(batch, 3, 64, 64).to(memory_format=memory_format) * 2 - 1
    mask = (torch.rand(batch, 1, 64, 64) > 0.5).float()
    optimizer = torch.optim.Adam(model.parameters(), 3e-4, fused=True)

    def step():
        optimizer.zero_grad()
        model.loss(x, mask, y).backward()
        optimizer.step()

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", choices=("train", "generate"))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=8, help="units of work that are timed")
    parser.add_argument("--channels_last", action="store_true")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--compile", action="store_true")
    chosen = parser.parse_args()
    torch.manual_seed(0)
    memory_format = torch.channels_last if chosen.channels_last else torch.contiguous_format
    model = Layered().to(memory_format=memory_format)
    step = work(chosen.work, model, chosen.batch, memory_format)
    if chosen.compile:
        step = torch.compile(step)
    precision = torch.autocast("cpu", torch.bfloat16) if chosen.bfloat16 else contextlib.nullcontext()
    seconds = []
    with precision:
        for _ in range(chosen.repeats + 2):
            started = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - started)
    # The first two prepare what the others use.
    print(json.dumps({**vars(chosen), "torch": torch.__version__, "seconds": statistics.median(seconds[2:])}))


if __name__ == "__main__":
    main()
