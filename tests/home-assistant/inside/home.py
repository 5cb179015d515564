"""A Home Assistant without its frontend, for tests: told what to do by lines of JSON.

    python home.py FOLDER      the folder has a configuration.yaml

Each line on standard input is {"do": <a method of Home>, ...its arguments}; each is
answered by one line, {"said": ...} or {"failed": ...}. It is the whole of Home
Assistant that is in one process anyway: its core, its registries, its integrations,
read by the same calls that its frontend would use.
"""

import asyncio
import base64
import json
import logging
import os
import sys
import traceback

from homeassistant import bootstrap, config, core, loader
from homeassistant.helpers import device_registry, entity_registry, issue_registry


class Troubles(logging.Handler):
    """What Home Assistant warns of, as far as MQTT is concerned."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.seen = []

    def emit(self, record):
        self.seen.append(f"{record.levelname} {record.name}: {record.getMessage()}")


class Home:
    def __init__(self, folder):
        self.hass = core.HomeAssistant(folder)
        self.changes, self.calls = [], []
        self.troubles = Troubles()
        for name in ("mqtt", "automation", "event", "image", "number", "sensor"):
            logging.getLogger(f"homeassistant.components.{name}").addHandler(self.troubles)
        logging.getLogger("homeassistant.helpers.template").addHandler(self.troubles)

    async def start(self):
        hass = self.hass
        loader.async_setup(hass)
        # What it needs is installed; nothing else may be.
        hass.config.skip_pip = True
        # The frontend and what comes with it: packages of many megabytes that nobody looks at.
        bootstrap.DEFAULT_INTEGRATIONS = set()
        hass.bus.async_listen("state_changed", self._changed)
        hass.bus.async_listen("call_service", self._called)
        settings = await config.async_hass_config_yaml(hass)
        assert await bootstrap.async_from_config_dict(settings, hass), "it does not start"
        await hass.async_start()
        return sorted(hass.config.components)

    @core.callback
    def _changed(self, event):
        if state := event.data["new_state"]:
            known = {key: state.attributes.get(key) for key in ("event_type", "id")}
            self.changes.append({"entity": state.entity_id, "state": state.state} | known)

    @core.callback
    def _called(self, event):
        action = f"{event.data['domain']}.{event.data['service']}"
        self.calls.append({"action": action, "data": event.data["service_data"]})

    async def connect(self, port):
        """What an owner does: Settings, Devices & services, Add integration, MQTT."""
        flow = self.hass.config_entries.flow
        form = await flow.async_init("mqtt", context={"source": "user"})
        broker = {"broker": "127.0.0.1", "port": port}
        return str((await flow.async_configure(form["flow_id"], broker))["type"])

    async def disconnect(self):
        entry = self.hass.config_entries.async_entries("mqtt")[0]
        await self.hass.config_entries.async_remove(entry.entry_id)

    async def devices(self):
        fields = ("name", "manufacturer", "model", "sw_version", "area_id", "via_device_id")
        devices = device_registry.async_get(self.hass).devices.values()
        return {
            next(iter(device.identifiers))[1]: {field: getattr(device, field) for field in fields}
            for device in devices
        }

    async def entities(self):
        """Everything in the entity registry, by unique id, with its state."""
        found = {}
        for entry in entity_registry.async_get(self.hass).entities.values():
            if entry.platform != "mqtt":
                continue
            state = self.hass.states.get(entry.entity_id)
            found[entry.unique_id] = {
                "entity_id": entry.entity_id,
                "platform": entry.domain,
                "name": entry.original_name,
                "category": entry.entity_category,
                "device_class": entry.original_device_class,
                "icon": entry.original_icon,
                "unit": entry.unit_of_measurement,
                "capabilities": dict(entry.capabilities or {}),
                "state": state.state if state else None,
                "attributes": dict(state.attributes) if state else {},
            }
        return found

    async def state(self, entity):
        state = self.hass.states.get(entity)
        return state and state.state

    async def heard(self):
        """Changes of state since it started: entity, state and, of events, type and id."""
        return self.changes

    async def called(self):
        """Actions carried out since it started."""
        return self.calls

    async def call(self, service, data):
        domain, name = service.split(".")
        await self.hass.services.async_call(domain, name, data, blocking=True)

    async def picture(self, entity):
        image = await self.hass.data["image"].get_entity(entity).async_image()
        return image and base64.b64encode(image).decode()

    async def complaints(self):
        """Warnings in its log and repairs that it asks for."""
        issues = issue_registry.async_get(self.hass).issues.values()
        return self.troubles.seen + [f"repair {i.domain}: {i.translation_key}" for i in issues if i.domain == "mqtt"]

    async def stop(self):
        await self.hass.async_stop()


async def serve(replies):
    home = Home(sys.argv[1])
    asked = ""
    while asked != "stop":
        line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        if not line:
            return
        order = json.loads(line)
        asked = order.pop("do")
        try:
            answer = {"said": await getattr(home, asked)(**order)}
        except Exception:
            answer = {"failed": traceback.format_exc()}
        print(json.dumps(answer, default=str), file=replies, flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    asyncio.run(serve(replies))
