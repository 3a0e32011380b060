internal import GitStore

/// The README.md at the root of every data commit: one constant blob, so that it says nothing of the vault.
enum Restoring {
  /// Every text that format 1 ever had.
  ///
  /// People run what it says, so no member may write another there; see docs/format.md, "Versions".
  static let texts: Set<ObjectName> = [
    Vault.readme.name,
    // The one that looked for the key of the first epoch only; vaults of 2026-11-24 have it.
    ObjectName(hex: "54de64da64c565325f7254ce09717cedd770c2c8".utf8) ?? Vault.readme.name,
  ]

  static let text = """
    # This is a Polykey vault

    Each `.age` file below is a secret, encrypted with age (https://age-encryption.org/v1): a tar member with its name,
    mode, times and content. Whoever has this repository (VAULT.git) and the age identity file of a member (IDENTITY) gets
    everything back with git, age and GNU tar alone:

        git -C VAULT.git ls-tree --name-only members:keys |
          while read key; do git -C VAULT.git show members:keys/$key | age -d -i IDENTITY; done > vault.key
        mkdir out
        git -C VAULT.git ls-tree -r --format='%(objectname) %(path)' main |
          grep -E ' [0-9a-f]{2}/[^/]*\\.age$' | LC_ALL=C sort -k2 |
          while read oid path; do git -C VAULT.git cat-file blob $oid | age -d -i vault.key; done |
          tar -xp --xattrs --xattrs-include='*' --delay-directory-restore -C out
        shred -u vault.key

    An older version is restored in the same way: put a commit's name in the place of `main`.

    """
}
