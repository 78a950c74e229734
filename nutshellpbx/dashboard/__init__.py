"""The screens: they may read anything and decide nothing."""
