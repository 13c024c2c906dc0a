"""A model put on the model hub: weights, settings, and a card that says what was measured."""

from __future__ import annotations

from typing import Any

import yaml

from sccan.backbones.hub import FILE, endpoint
from sccan.builders.checkpoints import BEST
from sccan.builders.released.checkpoint import CONFIG
from sccan.builders.released.hub_models import HUB, parse_address
from sccan.builders.released.trained import Trained
from sccan.engine.checkpoint import own_header
from sccan.errors import InputError, needs
from sccan.files.plain import one_line
from sccan.predict.model_card import model_card

CARD = "README.md"


def push(trained: Trained, address: str, *, license_name: str, private: bool = False) -> str:
    """Puts a trained model on the hub, in one commit; the repository is made if it is new.

    Args:
        trained: from a run folder, or a ``.safetensors`` file of ours.
        address: ``hf://OWNER/NAME``; with ``@BRANCH`` a branch that is there.
        license_name: of the weights, as the hub names licences: ``apache-2.0``, ``cc-by-nc-4.0``, ...
        private: of a new repository.

    Returns: the address with the commit.

    Raises InputError: it is no file of weights of ours, nobody is logged in, or the hub refuses or does not answer.
    """
    named = parse_address(address)
    if not license_name.strip():
        raise InputError("name the licence of the weights, such as apache-2.0: nobody may use what has none")
    if not trained.path.is_file() or "settings" not in (header := own_header(trained.path)):
        raise InputError(
            f"{trained.name} is no file of weights that carries its settings; push the run folder with its {BEST}, or "
            "what sccan convert_checkpoint made of a published file"
        )
    card = model_card(trained, header, address=f"{HUB}{named.name}", license_name=license_name)
    content: dict[str, Any] = {
        FILE: trained.path,
        CONFIG: yaml.safe_dump(header["settings"]).encode(),
        CARD: card.encode(),
    }
    with needs("pushing to the hub", "hub"):
        from huggingface_hub import CommitOperationAdd, HfApi
        from huggingface_hub.errors import HTTPError
    api = HfApi(endpoint=endpoint())
    try:
        api.create_repo(named.name, private=private, exist_ok=True)
        added = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=one) for name, one in content.items()]
        message = f"{trained.cfg.METHOD.NAME}, weights {trained.digest}"
        done = api.create_commit(named.name, added, commit_message=message, revision=named.revision)
    except (HTTPError, OSError, ValueError) as error:
        told = one_line(str(error))[:300]
        raise InputError(f"the hub took nothing ({told}); log in with hf auth login, and check the name") from error
    return f"{HUB}{named.name}@{done.oid}"
