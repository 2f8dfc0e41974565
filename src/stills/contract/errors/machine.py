"""Errors of the machine that Stills runs on: its disks, database, programs and libraries."""

from stills.contract.errors.remedies import Remedy
from stills.contract.errors.tree import StillsError


class StorageError(StillsError):
    """Local storage failed."""

    code = "storage"
    default_remedy = Remedy.FIX_STORAGE
    default_action = "Free up space or fix the permissions, then retry."
    is_public = False


class StoreRefused(StorageError):
    """The store can't be read or written."""

    code = "store_refused"
    retryable = True


class WrongStore(StoreRefused):
    """This is not the store that the catalog's images are in, or its disk is not mounted."""

    code = "wrong_store"
    default_action = (
        "Mount the store's disk, correct STILLS_STORE or, if this is the right store, put an empty "
        "file store/id.txt into it, then retry."
    )


class ImageMissing(StorageError):
    """The catalog lists this image, but the store has lost it."""

    code = "image_missing"
    default_remedy = Remedy.RESTORE_IMAGE
    default_action = "Restore the file, or use --fresh to pay for a new image."


class OutputRefused(StorageError):
    """The image is stored, but could not be copied to the requested path."""

    code = "output_refused"
    default_action = "Choose a path that can be written; a retry is free."


class CatalogError(StorageError):
    """The catalog's database can't be used."""

    code = "catalog"
    default_action = "Check OUTPUT_DIR or STILLS_CATALOG, and the disk; stored images are intact."


class CatalogDamaged(CatalogError):
    """The catalog's file is damaged."""

    code = "catalog_damaged"
    default_action = (
        "The images are untouched: restore a backup, or run `stills recover --rebuild` to read "
        "them into a new catalog."
    )


class JobsError(StorageError):
    """The database of jobs can't be used."""

    code = "jobs"
    default_action = "Check STILLS_CATALOG and the disk, then retry; submitted jobs are intact."


class ToolError(StillsError):
    """Another program or library on this machine is needed, and does not work."""

    code = "tool"
    default_remedy = Remedy.FIX_TOOL
    default_action = "Check that ffmpeg runs; the images are untouched."
    is_public = False


class ToolMissing(ToolError):
    """A program that is needed is not installed."""

    code = "tool_missing"
    default_action = "Install it, for example with `apt install ffmpeg`."


class ToolFailed(ToolError):
    """Another program failed."""

    code = "tool_failed"


class LibraryFailed(ToolError):
    """A library or file that an API call needs can't be opened, so nothing was sent."""

    code = "library_failed"
    default_action = (
        "Install Stills again, or allow more open files, for example with `ulimit -n 1024`; then "
        "retry."
    )


class ForkedProcess(ToolError):
    """This process was forked after its parent had generated images."""

    code = "forked_process"
    default_action = (
        "Fork workers before the first image is generated, start them with spawn, or call "
        "stills.generate, which uses a new process. Nothing was sent."
    )
