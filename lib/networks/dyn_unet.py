"""A U-Net planned by nnU-Net's rules, of MONAI's blocks."""

from collections.abc import Sequence

from torch import Tensor

from lib.networks.monai_nets import nets
from lib.networks.topology import topology


class DynUNet(nets.DynUNet):
    """nnU-Net's U-Net for a size of patches and a spacing (MONAI's `DynUNet`).

    Args:
        in_channels: channels of the input.
        patch_size: for which kernels and strides are planned, as nnU-Net does, in three stages or more.
        spacing: of the voxels, in any unit, in the order of the axes; nnU-Net takes the data set's median.
        base_features: channels at full resolution, doubled from stage to stage.
        max_features: at most; nnU-Net has 320 in 3D and 512 in 2D (v1: 480).
        out_channels: channels of the output; one is a logit of foreground against background. (nnU-Net has two for
            two classes: `background_channel`.)
        deep_supervision: in training, return the outputs of all stages but the coarsest, full resolution first.
        residual: add the input of each block to its output, which nnU-Net's plain network does not.

    Convolutions, instance normalisation, leaky ReLU, transposed convolutions, concatenated skips. Unlike nnU-Net's its
    convolutions have no bias, and those behind a skip have the kernel of the next coarser stage, as in v1. Patches of
    128 voxels a side and equal spacing, from one channel to three: 31,191,759 parameters with deep supervision. Input
    lengths must divide by the product of the strides, and one must be longer.

    Memory: in 3D activations at full resolution, of `base_features` channels, take most of it.
    """

    def __init__(
        self,
        in_channels: int,
        patch_size: Sequence[int],
        spacing: Sequence[float],
        base_features: int,
        max_features: int,
        out_channels: int = 1,
        deep_supervision: bool = False,
        residual: bool = False,
    ) -> None:
        planned = topology(patch_size, spacing)
        stages = len(planned.strides)
        super().__init__(
            len(patch_size),
            in_channels,
            out_channels,
            planned.kernels,
            planned.strides,
            upsample_kernel_size=planned.strides[1:],
            filters=[min(base_features * 2**stage, max_features) for stage in range(stages)],
            deep_supervision=deep_supervision,
            deep_supr_num=stages - 2,
            res_block=residual,
        )

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """MONAI's own enlarges all outputs to the full resolution and stacks them."""
        full = self.output_block(self.skip_layers(x))
        return [full, *self.heads] if self.deep_supervision and self.training else full
