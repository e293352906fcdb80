"""The translation task; and where the plugin begins, as fairseq imports ``tasks`` of a user-dir."""

import moe_nmt.plugin  # noqa: F401
