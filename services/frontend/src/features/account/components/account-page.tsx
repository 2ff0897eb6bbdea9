import { Card, Page } from '@/components/page';
import { useMe } from '@/lib/me';
import { ChangePasswordForm } from './change-password-form';
import { SecondFactor } from './second-factor';
import { Sessions } from './sessions';

export function AccountPage() {
  const me = useMe();
  return (
    <Page title="Your account">
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
      <Card title="Change password">
        <div className="max-w-sm">
          <ChangePasswordForm />
        </div>
      </Card>
      <Card title="Second factor">
        <SecondFactor />
      </Card>
      <Card title="Where you are signed in">
        <Sessions />
      </Card>
    </Page>
  );
}
