"""Colour profiles: is it sRGB?"""

import struct

_TAG_COUNT_AT = 128
_TAG = struct.Struct(">4sII")  # signature, offset and size
_TAGS_MAX = 100
_NAMES = (b"sRGB", "sRGB".encode("utf-16-be"))


def is_srgb_profile(profile: bytes) -> bool:
    """Return whether a profile's own description says that it is sRGB.

    Source: ICC.1:2022, sections 7.3 (tag table) and 9.2.41 (description).
    """
    try:
        (count,) = struct.unpack_from(">I", profile, _TAG_COUNT_AT)
        for index in range(min(count, _TAGS_MAX)):
            at = _TAG_COUNT_AT + 4 + _TAG.size * index
            signature, offset, size = _TAG.unpack_from(profile, at)
            if signature == b"desc":
                description = profile[offset : offset + size]
                return any(name in description for name in _NAMES)
    except struct.error:
        return False
    return False
