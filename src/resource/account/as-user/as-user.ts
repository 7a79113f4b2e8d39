/**
 * Perl functions that take the rights of a user for work in that user's directories, and give them back. The process still belongs to
 * root, so the user can neither signal nor trace it.
 */
export const AS_USER = `
my %more;
while (my @g = getgrent) { push @{$more{$_}}, $g[2] for split / /, $g[3] }
sub person {
  my ($name) = @_;
  my @p = getpwnam $name or return { name => $name, uid => -1 };
  return { name => $name, uid => $p[2], gid => $p[3], home => $p[7], more => $more{$name} // [] };
}
sub become { my ($one) = @_; $) = join ' ', $one->{gid}, $one->{gid}, @{$one->{more}}; $> = $one->{uid}; die "cannot act as $one->{name}" if $> != $one->{uid} }
sub be_root { $> = 0; $) = '0 0' }
`
