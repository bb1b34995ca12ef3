"""Files to deploy a pushed model with TF Serving: `rootstock deploy SPEC DIRECTORY`.

One module makes the files of one tool; `kit` puts them together.
"""
