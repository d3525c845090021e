# SPDX-License-Identifier: Apache-2.0
#
# Holdfast as a package of Nix: pkgs.callPackage ./package.nix { }
{ lib, stdenv, meson, ninja, pkg-config, scdoc, curl, jansson, libconfuse, libmicrohttpd, libseccomp
, libyaml, openssl, tpm2-tss }:

stdenv.mkDerivation {
  pname = "holdfast";
  version = "0.1.0";
  src = lib.cleanSource ../..;
  nativeBuildInputs = [ meson ninja pkg-config scdoc ];
  buildInputs = [
    curl
    jansson
    libconfuse
    libmicrohttpd
    libseccomp
    libyaml
    openssl
    tpm2-tss
  ];
  mesonFlags = [
    "-Dtests=disabled"
    "--libexecdir=${placeholder "out"}/libexec"
  ];
  meta = {
    description = "Trust service of a device: seals, keeps and signs behind a TPM";
    license = lib.licenses.asl20;
    platforms = lib.platforms.linux;
  };
}
