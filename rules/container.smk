"""The container that jobs run in, under --sdm apptainer alone."""

#: A file, or an address to pull from.  No key, since no result is made anew because of its name.
IMAGE = os.environ.get("GENREFLOW_CONTAINER", "genreflow.sif")
HOW_TO_BUILD = "docs/guide.md, `Conda and containers`, says how to build it from envs/Dockerfile"

if "apptainer" in DEPLOYMENT:
    with clear_messages():
        if "conda" in DEPLOYMENT:
            raise UserError(
                "--sdm names both conda and apptainer.",
                where="the command line",
                hint="name one of them: the image has all packages, and no conda in it.",
            )
        if "://" not in IMAGE and not Path(IMAGE).exists():
            raise UserError(
                f"there is no image `{IMAGE}`.",
                where="GENREFLOW_CONTAINER" if "GENREFLOW_CONTAINER" in os.environ else "--sdm",
                expected="a file, or an address such as docker://registry/name:tag",
                hint=f"{HOW_TO_BUILD}; GENREFLOW_CONTAINER names another one.",
            )
    # By itself Apptainer shows a job the folder that it runs in, but not that of the scripts.
    for program in ("APPTAINER", "SINGULARITY"):
        shown = [os.environ.get(f"{program}_BIND", ""), str(BASE)]
        os.environ[f"{program}_BIND"] = ",".join(dict.fromkeys(filter(None, shown)))


# Of every rule from here on.
container: IMAGE
