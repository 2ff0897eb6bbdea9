import { Card, Page } from '@/components/page';
import { useMe } from '@/lib/me';
import { ChangePasswordForm } from './change-password-form';

export function AccountPage() {
  const me = useMe();
  return (
    <Page title="Account">
      <Card>
        <dl className="grid grid-cols-[auto_1fr] gap-x-8 gap-y-2 text-sm [&>dt]:text-muted">
          <dt>Name</dt>
          <dd className="break-words">{me.name}</dd>
          <dt>Email</dt>
          <dd className="break-all">{me.email}</dd>
          <dt>Role</dt>
          <dd>{me.role.name}</dd>
        </dl>
      </Card>
      <Card>
        <h2 className="mb-5 text-lg font-semibold">Change password</h2>
        <ChangePasswordForm />
      </Card>
    </Page>
  );
}
