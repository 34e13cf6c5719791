"""From stored rows to sealed blocks and bundles: decode, filter, encode, compress."""
