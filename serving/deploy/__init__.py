"""Files to deploy a pushed model with TF Serving: `rootstock deploy SPEC DIRECTORY`.

`files/` holds a Jinja template of each; `kit` fills them in.
"""
