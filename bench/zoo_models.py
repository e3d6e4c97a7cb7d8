"""Networks of the literature that no package at hand defines, in PyTorch, from their papers: seeded weights, no downloads."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: type[nn.Module] | None = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([act()] if act else []))


class Inception(nn.Module):
    """Szegedy et al. 2014 (arXiv:1409.4842), figure 2b, with batch normalization."""

    def __init__(self, inputs: int, a: int, b1: int, b: int, c1: int, c: int, d: int) -> None:
        super().__init__()
        self.a = conv(inputs, a, 1)
        self.b = nn.Sequential(conv(inputs, b1, 1), conv(b1, b, 3))
        self.c = nn.Sequential(conv(inputs, c1, 1), conv(c1, c, 5))
        self.d = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(inputs, d, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.a(x), self.b(x), self.c(x), self.d(x)], 1)


class GoogLeNet(nn.Module):
    """The same paper, table 1, without the auxiliary classifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, ceil_mode=True), conv(64, 64, 1), conv(64, 192, 3), nn.MaxPool2d(3, 2, ceil_mode=True)
        )
        self.body = nn.Sequential(
            Inception(192, 64, 96, 128, 16, 32, 32),
            Inception(256, 128, 128, 192, 32, 96, 64),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            Inception(480, 192, 96, 208, 16, 48, 64),
            Inception(512, 160, 112, 224, 24, 64, 64),
            Inception(512, 128, 128, 256, 24, 64, 64),
            Inception(512, 112, 144, 288, 32, 64, 64),
            Inception(528, 256, 160, 320, 32, 128, 128),
            nn.MaxPool2d(2, 2, ceil_mode=True),
            Inception(832, 256, 160, 320, 32, 128, 128),
            Inception(832, 384, 192, 384, 48, 128, 128),
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4), nn.Linear(1024, 1000))

    def forward(self, x: Tensor) -> Any:
        return self.head(self.body(self.stem(x)))


class Inverted(nn.Module):
    """The block of EfficientNet-Lite: MobileNetV2's, with ReLU6 and no squeeze-and-excite."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, factor: int) -> None:
        super().__init__()
        middle = inputs * factor
        expand = [conv(inputs, middle, 1, act=nn.ReLU6)] if factor > 1 else []
        self.body = nn.Sequential(*expand, conv(middle, middle, kernel, stride, middle, nn.ReLU6), conv(middle, outputs, 1, act=None))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Any:
        return x + self.body(x) if self.residual else self.body(x)


class EfficientNetLite0(nn.Module):
    """Tan and Le 2019 (arXiv:1905.11946), table 1, with the changes of the Lite family."""

    ROWS = ((1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2), (6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1))

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = [conv(3, 32, 3, 2, act=nn.ReLU6)]
        width = 32
        for factor, kernel, outputs, count, stride in self.ROWS:
            for i in range(count):
                blocks.append(Inverted(width, outputs, kernel, stride if i == 0 else 1, factor))
                width = outputs
        self.body = nn.Sequential(*blocks, conv(width, 1280, 1, act=nn.ReLU6))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))

    def forward(self, x: Tensor) -> Any:
        return self.head(self.body(x))


class UNet(nn.Module):
    """Ronneberger et al. 2015 (arXiv:1505.04597), padded, four levels, transposed convolutions on the way up."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        sizes = [width * 2**i for i in range(4)]
        self.down = nn.ModuleList(nn.Sequential(conv(a, b, 3), conv(b, b, 3)) for a, b in zip([3, *sizes[:-1]], sizes, strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in itertools.pairwise(sizes))
        self.join = nn.ModuleList(nn.Sequential(conv(2 * a, a, 3), conv(a, a, 3)) for a in sizes[:-1])
        self.last = nn.Conv2d(width, 4, 1)

    def forward(self, x: Tensor) -> Any:
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else nn.functional.max_pool2d(x, 2))
            skips.append(x)
        for i in (2, 1, 0):
            x = self.join[i](torch.cat([skips[i], self.up[i](x)], 1))
        return self.last(x)


class Detector(nn.Module):
    """A YOLO style body up to its raw heads: residual stages, a top-down path with nearest upsampling, LeakyReLU; three outputs.

    Redmon and Farhadi 2018 (arXiv:1804.02767), with a quarter of the channels.
    """

    def __init__(self) -> None:
        super().__init__()

        def leaky() -> nn.Module:
            return nn.LeakyReLU(0.1)

        def block(a: int, b: int, kernel: int, stride: int = 1) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(a, b, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(b), leaky())

        self.stem = nn.Sequential(block(3, 8, 3), block(8, 16, 3, 2), block(16, 32, 3, 2))
        self.down = nn.ModuleList(block(a, 2 * a, 3, 2) for a in (32, 64, 128))
        self.residual = nn.ModuleList(nn.Sequential(block(a, a // 2, 1), block(a // 2, a, 3)) for a in (64, 128, 256))
        self.lateral = nn.ModuleList([block(256 + 128, 128, 1), block(128 + 64, 64, 1)])
        self.heads = nn.ModuleList(nn.Conv2d(a, 3 * 25, 1) for a in (256, 128, 64))
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Any:
        x = self.stem(x)
        features = []
        for down, residual in zip(self.down, self.residual, strict=True):
            x = down(x)
            x = x + residual(x)
            features.append(x)
        results = [self.heads[0](x)]
        for i, lateral in enumerate(self.lateral):
            x = lateral(torch.cat([self.upsample(x), features[1 - i]], 1))
            results.append(self.heads[i + 1](x))
        return tuple(results)


class Sequence1d(nn.Module):
    """A small network of one-dimensional convolutions with a gate, as for keyword spotting on raw features."""

    def __init__(self) -> None:
        super().__init__()

        def block(a: int, b: int, kernel: int, stride: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv1d(a, b, kernel, stride, kernel // 2, bias=False), nn.BatchNorm1d(b), nn.ReLU())

        self.body = nn.Sequential(block(3, 32, 9, 2), block(32, 64, 5, 2), block(64, 64, 3, 1), nn.MaxPool1d(2))
        self.gate = nn.Sequential(nn.Conv1d(64, 64, 3, 1, 1, groups=64), nn.Sigmoid())
        self.head = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 12))

    def forward(self, x: Tensor) -> Any:
        x = self.body(x)
        return self.head(x * self.gate(x))
