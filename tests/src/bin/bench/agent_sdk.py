"""What the device agent is compared with: Azure's device SDK, connected to a hub by its certificate, and idle.

agent_sdk.py PORTS DEVICE CERTIFICATE KEY ROOT; says "on the hub" when it is there.
"""

import os
import signal
import sys

import paho.mqtt.client
from azure.iot.device import IoTHubDeviceClient, X509

ports, device, certificate, key, root = sys.argv[1:]

# The SDK knows one port only.
connect = paho.mqtt.client.Client.connect


def connect_to(port):
    def patched(self, host, port_of_sdk=8883, *rest, **more):
        more.pop("port", None)
        return connect(self, host, port, *rest, **more)

    paho.mqtt.client.Client.connect = patched


def client():
    return IoTHubDeviceClient.create_from_x509_certificate(
        x509=X509(certificate, key),
        hostname="localhost",
        device_id=device,
        server_verification_cert=open(root).read(),
        keep_alive=60,
    )


for port in ports.split(","):
    connect_to(int(port))
    hub = client()
    try:
        hub.connect()
    except Exception:
        continue
    hub.on_twin_desired_properties_patch_received = lambda patch: None
    hub.get_twin()
    print("on the hub", port, file=sys.stderr, flush=True)
    signal.pause()
sys.exit(os.EX_UNAVAILABLE)
