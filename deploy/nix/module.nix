# SPDX-License-Identifier: Apache-2.0
#
# services.holdfast for NixOS: the service, and section tpm2 of its configuration with the names, types and
# defaults of holdfast.conf(5). /etc is not to be written there, so what `holdfast tpm2 apply` does
# elsewhere is done when the system is built: `holdfast tpm2 render` makes the files, and they are put
# where NixOS has them. Users, variables and folders of packages are NixOS's own.
{ config, lib, pkgs, ... }:
let
  inherit (lib) literalExpression mkIf mkMerge mkOption types;
  cfg = config.services.holdfast;
  tpm2 = cfg.tpm2;

  off = description: mkOption {
    type = types.bool;
    default = false;
    inherit description;
  };
  text = default: description: mkOption {
    type = types.str;
    inherit default description;
  };
  unset = type: description: mkOption {
    type = types.nullOr type;
    default = null;
    inherit description;
  };
  package = name: description: mkOption {
    type = types.package;
    default = pkgs.${name};
    defaultText = literalExpression "pkgs.${name}";
    inherit description;
  };

  # --- holdfast.conf ---

  # ${ is refused by the reader, and there is no other escape than these two.
  quote = value: ''"'' + builtins.replaceStrings [ "\\" ''"'' ] [ "\\\\" ''\"'' ] value + ''"'';
  word = value:
    if builtins.isBool value then (if value then "true" else "false")
    else if builtins.isList value then "{" + lib.concatMapStringsSep ", " (one: quote (toString one)) value + "}"
    else quote (toString value);
  section = name: keys: lib.concatStrings (
    [ "${name} {\n" ]
    ++ lib.mapAttrsToList (key: value:
      if value == null then ""
      else if builtins.isAttrs value && !(value ? outPath) then section key value
      else "${key} = ${word value}\n") keys
    ++ [ "}\n" ]);

  tpm2Keys = {
    inherit (tpm2) enable tssUser tssGroup applyUdevRules tctiEnvironment;
    abrmd = {
      inherit (tpm2.abrmd) enable;
      package = "${tpm2.abrmd.package}/bin/tpm2-abrmd";
    };
    pkcs11 = { inherit (tpm2.pkcs11) enable; };
    fapi = builtins.removeAttrs tpm2.fapi [ "package" ];
  };
  confText = section "tpm2" tpm2Keys + cfg.extraConfig;
  conf = pkgs.writeText "holdfast.conf" confText;

  # --- what section tpm2 asks for ---

  # What is taken of it is linked to where NixOS looks into packages.
  rendered = pkgs.runCommand "holdfast-tpm2" { } ''
    ${cfg.package}/bin/holdfast tpm2 render --root "$out" --config ${conf}
    mkdir -p "$out/lib/udev" "$out/lib/systemd/system"
    ln -s "$out/etc/tmpfiles.d" "$out/lib/tmpfiles.d"
    ${lib.optionalString rules ''ln -s "$out/etc/udev/rules.d" "$out/lib/udev/rules.d"''}
    ${lib.optionalString tpm2.abrmd.enable
      ''ln -s "$out/etc/systemd/system/tpm2-abrmd.service" "$out/lib/systemd/system/"''}
  '';
  rules = tpm2.applyUdevRules && (tssUser != "" || tpm2.tssGroup != "");
  tssUser =
    if tpm2.tssUser != null then tpm2.tssUser
    else if tpm2.abrmd.enable then "tss"
    else "root";
  tcti = {
    tabrmd = "tabrmd:${tpm2.tctiEnvironment.tabrmdConf}";
    device = "device:${tpm2.tctiEnvironment.deviceConf}";
    holdfast = "swtpm:path=/run/holdfast/tpm.sock";
  }.${tpm2.tctiEnvironment.interface};
in
{
  options.services.holdfast = {
    enable = off "Whether to run holdfastd, the trust service of this device.";
    package = mkOption {
      type = types.package;
      description = "Holdfast itself, such as `pkgs.callPackage ./package.nix { }`.";
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      example = ''
        tenant web {
        	keys = 16
        }
      '';
      description = "Lines of holdfast.conf(5) beside section tpm2.";
    };

    tpm2 = {
      enable = off "Whether to set up the TPM2 software of this machine; without it nothing below applies.";
      tssUser = unset types.str "Owner of the TPM's device nodes; null is tss with abrmd, else root; \"\" leaves it as it is.";
      tssGroup = text "tss" "Group of /dev/tpmrm*; \"\" leaves it as it is.";
      applyUdevRules = mkOption {
        type = types.bool;
        default = true;
        description = "Whether udev gives the device nodes to these.";
      };
      abrmd = {
        enable = off "Whether to run tpm2-abrmd, behind holdfastd.";
        package = package "tpm2-abrmd" "The package with tpm2-abrmd.";
      };
      pkcs11 = {
        enable = off "Whether to make the PKCS#11 module known to p11-kit.";
        package = package "tpm2-pkcs11" "The package with libtpm2_pkcs11.so.";
      };
      tctiEnvironment = {
        enable = off "Whether to set TPM2TOOLS_TCTI, TPM2_PKCS11_TCTI and TPM2OPENSSL_TCTI for all users.";
        interface = mkOption {
          type = types.enum [ "tabrmd" "device" "holdfast" ];
          default = "device";
          description = "To what they lead: tpm2-abrmd, a device node, or the host's socket of holdfastd.";
        };
        deviceConf = text "/dev/tpmrm0" "What stands behind `device:`.";
        tabrmdConf = text "bus_name=com.intel.tss2.Tabrmd" "What stands behind `tabrmd:`.";
      };
      fapi = {
        package = package "tpm2-tss" "The package with the profiles of FAPI; they go to /etc/tpm2-tss/fapi-profiles.";
        profileName = text "P_ECCP256SHA256" "The cryptographic profile.";
        profileDir = text "/etc/tpm2-tss/fapi-profiles/" "Where profiles lie.";
        userDir = text "~/.local/share/tpm2-tss/user/keystore" "A user's store of objects.";
        systemDir = text "/var/lib/tpm2-tss/system/keystore" "The system's store of objects.";
        tcti = text "" "The way to the chip; \"\" is FAPI's own choice.";
        systemPcrs = mkOption {
          type = types.listOf (types.ints.between 0 23);
          default = [ ];
          description = "PCRs that belong to the system.";
        };
        logDir = text "/run/tpm2-tss/eventlog/" "Where FAPI logs what it measures.";
        ekCertLess = unset types.bool "Whether FAPI works without a certificate of the endorsement key.";
        ekFingerprint = unset types.str "The fingerprint that the endorsement key must have.";
        firmwareLogFile = text "/sys/kernel/security/tpm0/binary_bios_measurements" "Event log of the firmware.";
        imaLogFile = text "/sys/kernel/security/ima/binary_runtime_measurements" "Event log of the kernel.";
      };
    };
  };

  config = mkIf cfg.enable (mkMerge [
    {
      environment.systemPackages = [ cfg.package ];
      environment.etc."holdfast/holdfast.conf".text = confText;
      users.users.holdfast = {
        isSystemUser = true;
        group = "holdfast";
        extraGroups = [ "holdfast-tpm" ] ++ lib.optional (tpm2.tssGroup == "tss") "tss";
      };
      users.groups.holdfast = { };
      # Of the chip itself, and of the service alone.
      users.groups.holdfast-tpm = { };
      users.groups.tss = mkIf (tpm2.tssGroup == "tss") { };
      # The units with all that confines them are the package's own.
      systemd.packages = [ cfg.package ];
      systemd.sockets.holdfastd.wantedBy = [ "sockets.target" ];
      systemd.services.holdfastd = {
        wantedBy = [ "multi-user.target" ];
        reloadTriggers = [ conf ];
      };
      systemd.tmpfiles.packages = [ cfg.package ];
      services.udev.packages = [ cfg.package ];
    }

    (mkIf tpm2.enable {
      assertions = [{
        assertion = !(config.security.tpm2.enable or false);
        message = "services.holdfast.tpm2 and security.tpm2 write the same files: enable one of them.";
      }];
      environment.etc."tpm2-tss/fapi-config.json".source = "${rendered}/etc/tpm2-tss/fapi-config.json";
      environment.etc."tpm2-tss/fapi-profiles".source = "${tpm2.fapi.package}/etc/tpm2-tss/fapi-profiles";
      services.udev.packages = lib.optional rules rendered;
      systemd.tmpfiles.packages = [ rendered ];
      users.users.tss = mkIf (tssUser == "tss") {
        isSystemUser = true;
        group = "tss";
      };
      users.groups.tss = mkIf (tssUser == "tss") { };
    })

    (mkIf (tpm2.enable && tpm2.abrmd.enable) {
      systemd.packages = [ rendered ];
      systemd.services.tpm2-abrmd.wantedBy = [ "multi-user.target" ];
      services.dbus.packages = [ tpm2.abrmd.package ];
    })

    # A name without a folder would be looked for among p11-kit's own modules.
    (mkIf (tpm2.enable && tpm2.pkcs11.enable) {
      environment.etc."pkcs11/modules/tpm2_pkcs11.module".text =
        "module: ${tpm2.pkcs11.package}/lib/libtpm2_pkcs11.so\n";
    })

    (mkIf (tpm2.enable && tpm2.tctiEnvironment.enable) {
      environment.variables = {
        TPM2TOOLS_TCTI = tcti;
        TPM2_PKCS11_TCTI = tcti;
        TPM2OPENSSL_TCTI = tcti;
      };
    })
  ]);
}
