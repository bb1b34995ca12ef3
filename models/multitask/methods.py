"""The methods of a model as pydantic types: a new method file is a new choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.balancing.base import Balancing
from models.discovery import choice
from models.sharing.base import Sharing
from models.trunks.base import Trunk

if TYPE_CHECKING:
    TrunkSpec = Trunk
    SharingSpec = Sharing
    BalancingSpec = Balancing
else:
    TrunkSpec = choice("models.trunks", Trunk)
    SharingSpec = choice("models.sharing", Sharing)
    BalancingSpec = choice("models.balancing", Balancing)
