# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A certificate authority of one run, and what it signs: stands for the RDS roots and the certificates of clusters."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Certificate:
    """A server's: ``chain`` is a PEM file of its certificate and key."""

    chain: Path

    @cached_property
    def context(self) -> ssl.SSLContext:
        """To serve with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.chain)
        return context


class Authority:
    """Makes its own key and root; nothing is shared between runs.

    :param folder: where files go.
    :ivar bundle: what a client is given to verify with (``sslrootcert``, ``ssl_ca``).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("hgaurora test root")
        root = (
            _builder(self._name, self._name, self._key.public_key(), self._key.public_key(), timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.bundle = folder / "bundle.pem"
        self.bundle.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        self._count = 0

    def issue(self, *names: str, expired: bool = False, self_signed: bool = False) -> Certificate:
        """A server's certificate.

        :param names: DNS names or IP addresses it stands for; the first is also its common name. A wrong name is a
            certificate for another one.
        :param expired: it ended yesterday.
        :param self_signed: nobody else stands for it.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        issuer, signer = (_name(names[0]), key) if self_signed else (self._name, self._key)
        ends = timedelta(days=-1 if expired else 7)
        certificate = (
            _builder(_name(names[0]), issuer, key.public_key(), signer.public_key(), ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
            .sign(signer, hashes.SHA256())
        )
        self._count += 1
        chain = self._folder / f"server-{self._count}.pem"
        chain.touch(mode=0o600)
        chain.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return Certificate(chain)


def _name(text: str) -> x509.Name:
    # longer ones are refused in this field; the alternative names count
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePublicKey,
    ends: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        # strict verification (Python 3.13's default) wants it of roots, too
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )
