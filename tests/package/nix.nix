# SPDX-License-Identifier: Apache-2.0
#
# deploy/nix/module.nix with as much of nixpkgs' library as it uses, so that it is evaluated where there is
# neither. Types are checked when a value is set, as there.
#
#   nix-instantiate --eval --strict nix.nix --arg want '{ tpm2.enable = true; }' -A conf
{ want ? { } }:
let
  inherit (builtins) all attrNames concatStringsSep elem isAttrs isBool isInt isList isString mapAttrs;

  type = name: check: { inherit name check; };
  types = rec {
    bool = type "boolean" isBool;
    str = type "text" isString;
    lines = str;
    package = type "package" (value: isAttrs value && value ? outPath);
    nullOr = one: type "null or ${one.name}" (value: value == null || one.check value);
    enum = words: type "one of ${concatStringsSep " " words}" (value: elem value words);
    listOf = one: type "list of ${one.name}" (value: isList value && all one.check value);
    ints.between = least: most: type "number" (value: isInt value && value >= least && value <= most);
  };
  lib = {
    inherit types;
    mkOption = option: option // { _type = "option"; };
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    literalExpression = text: text;
    concatStrings = concatStringsSep "";
    concatMapStringsSep = between: make: list: concatStringsSep between (map make list);
    mapAttrsToList = make: set: map (name: make name set.${name}) (attrNames set);
    optional = condition: one: if condition then [ one ] else [ ];
    optionalString = condition: text: if condition then text else "";
  };

  # What is wanted, with defaults in the place of what is not, and nothing that is no option.
  settle = path: options: wanted:
    if (options._type or "") == "option" then
      (let value = if wanted == null && !(options ? type && options.type.check null) then options.default else
        if wanted == null then options.default or null else wanted;
      in if options.type.check value then value else throw "${path}: is no ${options.type.name}")
    else
      (let unknown = builtins.filter (name: !(options ? ${name})) (attrNames (if wanted == null then { } else wanted));
      in if unknown != [ ] then throw "${path}: no option ${concatStringsSep " " unknown}"
      else mapAttrs (name: option: settle "${path}.${name}" option ((if wanted == null then { } else wanted).${name} or null)) options);

  # Of definitions that are in force, sets are merged and lists joined.
  merge = one: two:
    if isAttrs one && isAttrs two && !(one ? outPath) then
      one // mapAttrs (name: value: if one ? ${name} then merge one.${name} value else value) two
    else if isList one && isList two then one ++ two
    else two;
  force = content:
    if !(isAttrs content) || content ? outPath then content
    else if (content._type or "") == "if" then (if content.condition then force content.content else { })
    else if (content._type or "") == "merge" then builtins.foldl' merge { } (map force content.contents)
    else mapAttrs (name: force) content;

  store = name: { outPath = "/nix/store/${name}"; };
  pkgs = {
    tpm2-abrmd = store "tpm2-abrmd";
    tpm2-pkcs11 = store "tpm2-pkcs11";
    tpm2-tss = store "tpm2-tss";
    writeText = name: text: "/nix/store/${name}";
    runCommand = name: env: command: store name // { inherit command; };
  };

  module = import ../../deploy/nix/module.nix {
    inherit lib pkgs;
    config.services.holdfast = settle "services.holdfast" module.options.services.holdfast
      ({ enable = true; package = store "holdfast"; } // want);
  };
  made = force module.config;
in
{
  conf = made.environment.etc."holdfast/holdfast.conf".text;
  etc = attrNames made.environment.etc;
  variables = made.environment.variables or { };
  units = attrNames made.systemd.services;
  udev = map toString made.services.udev.packages;
  users = made.users.users;
  command = (builtins.elemAt made.systemd.tmpfiles.packages 1).command;
}
