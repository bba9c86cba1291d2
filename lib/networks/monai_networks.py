"""MONAI's networks as they are: (B, in_channels, *spatial) -> (B, out_channels, *spatial) logits.

What they are called with is MONAI's default where nothing else is said.
"""

from collections.abc import Sequence

from torch import nn

from lib.networks.monai_nets import create_mednext, nets


def res_unet(
    in_channels: int,
    channels: Sequence[int],
    residual_units: int,
    out_channels: int = 1,
    dropout: float = 0.0,
    dimensions: int = 3,
) -> nn.Module:
    """U-Net with residual units and instance normalisation (MONAI's `UNet`).

    Args:
        in_channels: channels of the input.
        channels: widths of the levels, the last one the bottom's, which halves nothing.
        residual_units: convolutions of each residual unit on the way down, 0 to 6 (MONAI's `num_res_units`); 0: plain
            convolutions, none of them residual.
        out_channels: channels of the output; one is a logit of foreground against background.
        dropout: probability that a value is dropped behind each normalisation.
        dimensions: 2 or 3.

    (64, 128, 256, 512) with 4 residual units is the liver benchmark's base, from one channel to one 12,672,352
    parameters in 2D and 37,744,498 in 3D. Input lengths must divide by 2 ** (len(channels) - 1).

    Memory: the first convolution already halves the resolution; at the full one there are only `out_channels`.
    """
    strides = (len(channels) - 1) * (2,)
    return nets.UNet(
        dimensions, in_channels, out_channels, channels, strides, num_res_units=residual_units, dropout=dropout
    )


def attention_unet(
    in_channels: int, channels: Sequence[int], out_channels: int = 1, dropout: float = 0.0, dimensions: int = 3
) -> nn.Module:
    """U-Net whose skips are weighed voxel by voxel, by what comes from below (MONAI's `AttentionUnet`).

    Args:
        in_channels: channels of the input.
        channels: widths of the levels. MONAI has no default; this is that of `res_unet`.
        out_channels: channels of the output; one is a logit of foreground against background.
        dropout: probability that a value is dropped behind each normalisation.
        dimensions: 2 or 3.

    (64, 128, 256, 512) from one channel to one has 7,874,093 parameters in 2D and 23,431,853 in 3D. Input lengths must
    divide by 2 ** (len(channels) - 1).

    Memory: unlike `res_unet`, its first level and last layers work at full resolution, with `channels[0]` channels.
    """
    strides = (len(channels) - 1) * (2,)
    return nets.AttentionUnet(dimensions, in_channels, out_channels, channels, strides, dropout=dropout)


def unetr(
    in_channels: int,
    patch_size: Sequence[int],
    feature_size: int,
    hidden_size: int,
    mlp_dim: int,
    num_heads: int,
    out_channels: int = 1,
    dropout: float = 0.0,
) -> nn.Module:
    """A vision transformer of 12 layers on blocks of 16 voxels a side, and a convolutional decoder (MONAI's `UNETR`).

    Args:
        in_channels: channels of the input.
        patch_size: the one size of inputs, in multiples of 16: every block has a learnt place. `sampling.patch_size`
            and `inference.patch_size` must be the same.
        feature_size: channels of the decoder at full resolution.
        hidden_size: length of a block's vector, which must divide by `num_heads`.
        mlp_dim: width of the layers between attentions.
        num_heads: heads of attention.
        out_channels: channels of the output; one is a logit of foreground against background.
        dropout: probability that a value is dropped in the transformer.

    Defaults are the publication's: 92,802,257 parameters for patches of 96 a side, from one channel to one. Among them
    MONAI 1.6.1 has 18,432 without use, for attention to another image.

    Memory: attention in each layer grows with the square of the number of blocks, (lengths / 16) multiplied.
    """
    return nets.UNETR(
        in_channels,
        out_channels,
        patch_size,
        feature_size=feature_size,
        hidden_size=hidden_size,
        mlp_dim=mlp_dim,
        num_heads=num_heads,
        dropout_rate=dropout,
    )


def segresnet(
    in_channels: int, init_filters: int, upsample_mode: str, out_channels: int = 1, dropout: float = 0.0
) -> nn.Module:
    """An encoder of residual blocks with group normalisation, and a smaller decoder (MONAI's `SegResNet`).

    Args:
        in_channels: channels of the input.
        init_filters: channels at full resolution, a multiple of 8, doubled from level to level. The publication has 32
            (the default), MONAI 8.
        upsample_mode: `nontrainable`: linear interpolation, which a GPU may not repeat to the bit; `deconv`: transposed
            convolutions.
        out_channels: channels of the output; one is a logit of foreground against background.
        dropout: probability that a channel is dropped behind the first convolution; the publication has 0.2.

    Without the publication's variational autoencoder. 32 filters from 4 channels to 3 are 18,798,627 parameters. Input
    lengths must divide by 8.

    Memory: activations at full resolution, of `init_filters` channels, take most of it.
    """
    return nets.SegResNet(
        3, init_filters, in_channels, out_channels, dropout_prob=dropout or None, upsample_mode=upsample_mode
    )


def swin_unetr(
    in_channels: int, feature_size: int, checkpointing: bool, out_channels: int = 1, dropout: float = 0.0
) -> nn.Module:
    """A Swin transformer (attention in shifted windows of 7) with a convolutional decoder (MONAI's `SwinUNETR`).

    Args:
        in_channels: channels of the input.
        feature_size: channels at full resolution, a multiple of 12. The publication has 48 (the default), MONAI 24.
        checkpointing: compute the transformer's activations again in the backward pass, which saves memory.
        out_channels: channels of the output; one is a logit of foreground against background.
        dropout: probability that a value is dropped in the transformer.

    48 from 4 channels to 3 are 62,191,941 parameters. Input lengths must divide by 32, and one must be 64 or more.

    Memory: attention grows with the number of windows; convolutions of `feature_size` channels are at full resolution.
    """
    return nets.SwinUNETR(
        in_channels, out_channels, feature_size=feature_size, drop_rate=dropout, use_checkpoint=checkpointing
    )


def mednext(
    in_channels: int, size: str, kernel_size: int, out_channels: int = 1, deep_supervision: bool = False
) -> nn.Module:
    """A U-Net of ConvNeXt blocks (MONAI's `MedNeXt`).

    Args:
        in_channels: channels of the input.
        size: the publication's S, B, M or L.
        kernel_size: 3 or 5. (The publication begins 5 with trained weights of 3; here all are drawn.)
        out_channels: channels of the output; one is a logit of foreground against background.
        deep_supervision: in training, return the outputs of all five levels, full resolution first, as the publication
            trains.

    From one channel to one, kernels of 3: S 5,550,881 parameters, B 10,510,817, M 17,533,473, L 61,726,721; of 5:
    5,980,513, 10,940,449, 18,245,345, 62,940,353. Input lengths must divide by 16, and one must be 32 or more.

    Memory: blocks widen 32 channels at full resolution by 2 (S, B, M) or 3 (L). The release computes activations of M
    and L again in the backward pass; MONAI's network keeps them.
    """
    return create_mednext(size, 3, in_channels, out_channels, kernel_size, deep_supervision)
