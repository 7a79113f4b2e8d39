import { RELEASE } from '../lab.ts'

/** Whether podman of the tested release has Quadlets. Where it has none, the run refuses them (unit tests of `quadlet`). */
export const HAS_QUADLETS = !['bookworm', 'jammy'].includes(RELEASE.codename)

/** Packages of podman, and files with which it runs on a lab host: its file system is an overlay, and it may not create keyrings. */
export const PODMAN_PACKAGES = ['podman', 'netavark', 'aardvark-dns', 'crun', 'nftables']
export const PODMAN_FILES: Readonly<Record<string, string>> = {
  '/etc/containers/storage.conf':
    '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n',
  '/etc/containers/containers.conf': '[containers]\nkeyring = false\n',
  '/etc/containers/registries.conf.d/lab.conf': '[[registry]]\nlocation = "127.0.0.1:5000"\ninsecure = true\n',
}

/** A script that starts a registry on the host with two images of a web server, `web:1` and `web:2`. Prints their digests. */
export const REGISTRY = `exec </dev/null
apt-get install -y -q --no-install-recommends busybox-static docker-registry >/dev/null
echo '{version: "0.1", storage: {filesystem: {rootdirectory: /var/lib/docker-registry}}, http: {addr: "127.0.0.1:5000"}}' >/etc/docker/registry/config.yml
systemctl restart docker-registry
mkdir -p /root/image/bin /root/image/www /root/image/tmp; cp /bin/busybox /root/image/bin; for name in sh wget env; do ln -sf busybox /root/image/bin/$name; done
printf 'trap "exit 0" TERM\\nbusybox httpd -f -p 8080 -h /www &\\nwait\\n' >/root/image/run.sh
for i in 1 2; do
  echo $i >/root/image/www/index.html
  tar -C /root/image -c . >/root/image.tar
  podman import -q --change 'CMD ["/bin/sh","/run.sh"]' /root/image.tar 127.0.0.1:5000/web:$i >/dev/null 2>&1
  podman push -q --digestfile /root/digest$i 127.0.0.1:5000/web:$i >/dev/null 2>&1
done
podman rmi -af >/dev/null 2>&1; cat /root/digest1; echo; cat /root/digest2`

/** The complete names of the images, by what `REGISTRY` printed. */
export const imagesIn = (printed: string): readonly string[] =>
  printed
    .trim()
    .split('\n')
    .map((digest) => `127.0.0.1:5000/web@${digest}`)
