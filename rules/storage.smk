"""With `results` in a bucket (docs/cloud.md): what jobs write and read beside the files of the rules.

Snakemake takes to a bucket, and from it, what rules name.  Seals are named by none, since on one
machine they are simply beside their files; here each is an output beside its file, and an input.
"""

from genreflow.files.integrity import is_sealed, seal_of


def stored_seal(file):
    """Return the seal of a rule's own file, which is in the bucket."""
    provider = workflow.storage_settings.default_storage_provider
    return getattr(storage, provider)(seal_of(file.storage_object.query))


def seals_read(items):
    """Return an input function: the seals of some inputs of a rule."""

    def inputs(wildcards):
        found = []
        for item in items:
            if not callable(item):
                file = item.apply_wildcards(wildcards)
                found += [stored_seal(file)] if file.is_storage and is_sealed(Path(file)) else []
                continue
            files = item(wildcards)
            files = [files] if isinstance(files, str) else files
            found += [seal_of(file) for file in files if is_sealed(Path(file))]
        return list(dict.fromkeys(found))

    return inputs


if IN_STORAGE:
    with clear_messages():
        if (place := workflow.storage_settings.local_storage_prefix).is_absolute():
            raise UserError(
                "copies of what is in the bucket have an absolute path.",
                where=f"--local-storage-prefix {place}",
                expected="a path below the working directory",
                hint="a link there may lead to another disk.",
            )
    for each in list(workflow.rules):
        # A workflow that uses this one as a module has rules of its own.
        if callable(each.params.get("config")):
            each.set_input(seals=seals_read(list(each.input)))
            sealed = [f for f in each.output if f.is_storage and is_sealed(Path(f))]
            each.set_output(seals=[stored_seal(file) for file in sealed])
