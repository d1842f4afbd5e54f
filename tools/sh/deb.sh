#!/usr/bin/env bash
# Builds a Debian package of what `make build` made.
#
#   tools/sh/deb.sh [DIR]     writes DIR/vtoken_VERSION_ARCH.deb (bin) and prints its name
set -euo pipefail
cd "$(dirname "$0")/../.."

out=${1:-bin}
version=$(cat vtoken/version/VERSION)
arch=$(dpkg --print-architecture)
triplet=$(gcc -print-multiarch)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
make --no-print-directory -s install DESTDIR="$root" PREFIX=/usr

# Where Debian has these things.
mkdir -p "$root/usr/lib/$triplet"
mv "$root/usr/lib/pkcs11" "$root/usr/lib/$triplet/pkcs11"
for unit in vtokend.service vtokend.socket vtokend-admin.socket; do
	install -D -m 0644 "packaging/$unit" "$root/usr/lib/systemd/system/$unit"
done
for example in no-network.conf vtokend-api.socket; do
	install -D -m 0644 "packaging/$example" "$root/usr/share/vtoken/$example"
done
install -D -m 0644 packaging/vtoken.module "$root/usr/share/p11-kit/modules/vtoken.module"
install -D -m 0644 packaging/sysusers.conf "$root/usr/lib/sysusers.d/vtoken.conf"
install -D -m 0644 LICENSE "$root/usr/share/doc/vtoken/copyright"
gzip -9n <CHANGELOG.md >"$root/usr/share/doc/vtoken/changelog.gz"
chmod 0644 "$root/usr/share/doc/vtoken/changelog.gz"
find "$root/usr/share/man" -type f -exec gzip -9n {} +
install -d -m 0755 "$root/etc/vtoken"
sed 's/^admin-group: ""$/admin-group: vtoken-admin/' daemon/config/vtokend.yaml >"$root/etc/vtoken/vtokend.yaml"
chmod 0644 "$root/etc/vtoken/vtokend.yaml"

install -d -m 0755 "$root/DEBIAN"
echo /etc/vtoken/vtokend.yaml >"$root/DEBIAN/conffiles"
size=$(du -sk --apparent-size "$root/usr" | cut -f1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@SIZE@/$size/" packaging/debian/control.in >"$root/DEBIAN/control"
for script in postinst prerm postrm; do
	install -m 0755 "packaging/debian/$script" "$root/DEBIAN/$script"
done

mkdir -p "$out"
deb=$out/vtoken_${version}_$arch.deb
# The same sources give the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb -Zgzip --root-owner-group --build "$root" "$deb" >/dev/null # xz saves a tenth and takes long
echo "$deb"
